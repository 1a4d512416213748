using Kvasir.Attention.Zones;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Hashing;

namespace Kvasir.Attention.Policies;

/// <summary>
/// Sampling from the attention weights themselves, with replacement (oracle sampling, MagicPIG, definition 3.1): the mean of the values drawn is unbiased, and
/// no method that guesses the weights can sample better. The mass between the exact zones is known, since every key is read.
/// </summary>
public sealed class Oracle(PolicySpec spec) : SparsePolicy(spec)
{
    internal static readonly PolicyEntry Entry = new(
        "oracle", "keys drawn by their true weights, found by reading all",
        "oracle sampling of MagicPIG: Chen et al. 2024, arXiv 2410.16179", "oracle:recent=1048576,min-context=0",
        static spec => new Oracle(spec),
        ExactZones.Options(
            sinks: 4, recent: 64, denseLayers: "none",
            PolicyOption.Real("share", 0.02, 0, 1, "draws for each token between the exact zones, for each query head")))
    {
        Budgets = PolicyBudget.Of("share", 0.005, 0.01, 0.02, 0.05, 0.1),
    };

    private readonly float _share = spec.Real("share");

    protected override ZonedSelector CreateSparse(HeadPlace place) => new Drawn(Zones, place, _share);

    private sealed class Drawn(ExactZones zones, HeadPlace place, float share) : ZonedSelector(zones)
    {
        private readonly float[] _logMass = new float[place.GroupHeads];
        private SelectorScratch? _scratch;
        private (int First, int End) _middle;
        private int _draws;

        private int Count => _middle.End - _middle.First;

        protected override void ReweightChosen(in RowSet rows, int listed, Span<float> scores, int stride)
        {
            for (var i = 0; i < rows.Count; i++)
            {
                if (rows[i] < _middle.First || rows[i] >= _middle.End)
                    continue;
                for (var head = 0; head < place.GroupHeads; head++)
                    scores[head * stride + i] = _logMass[head] + MathF.Log(Draws(head)[rows[i] - _middle.First] / _draws);
            }
        }

        protected override bool SelectMiddle(in HeadQuery query, (int First, int End) middle, int round, in SoftmaxView sum, KvSelection selection)
        {
            if (round > 0)
                return false;
            (_middle, _scratch) = (middle, query.Scratch);
            _draws = (int)MathF.Ceiling(share * Count);
            query.Head.Score(query.Queries, new RowSet(middle.First, Count), All()[(2 * Count)..], Count);
            var seed = CounterNoise.Seed(CounterNoise.Seed((ulong)Zones.Seed, place.Layer, place.KvHead), query.EndPosition, 0);
            for (var head = 0; head < place.GroupHeads; head++)
                Draw(head, CounterNoise.Seed(seed, head, 0));
            for (var i = 0; i < Count; i++)
            {
                var drawn = 0f;
                for (var head = 0; head < place.GroupHeads; head++)
                    drawn += Draws(head)[i];
                if (drawn > 0)
                    selection.Add(middle.First + i);
            }

            return true;
        }

        // Replaces a head's scores by how often each row was drawn.
        private void Draw(int head, ulong seed)
        {
            var own = Draws(head);
            var upTo = _scratch!.Elements<double>(0, Count);
            var max = float.NegativeInfinity;
            foreach (var score in own)
                max = MathF.Max(max, score);
            var mass = 0.0;
            for (var i = 0; i < own.Length; i++)
                upTo[i] = mass += Math.Exp(own[i] - max);
            _logMass[head] = max + (float)Math.Log(mass);
            own.Clear();
            for (var draw = 0; draw < _draws; draw++)
            {
                var at = upTo.BinarySearch(CounterNoise.Uniform(seed, (ulong)draw) * mass);
                own[Math.Min(at < 0 ? ~at : at + 1, own.Length - 1)]++;
            }
        }

        // Sums of weights in double precision, then scores or draws of each head.
        private Span<float> All() => _scratch!.Floats((2 + place.GroupHeads) * Count);

        private Span<float> Draws(int head) => All().Slice((2 + head) * Count, Count);
    }
}

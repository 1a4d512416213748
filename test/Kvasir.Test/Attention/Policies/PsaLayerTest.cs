using Kvasir.Attention;
using Kvasir.Attention.Heads;
using Kvasir.Attention.Policies;
using Kvasir.Files;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Measurement;
using Kvasir.Models.Configs;

namespace Kvasir.Test.Attention.Policies;

/// <summary>PSA whose unit is the layer: all KV heads read the same blocks until every query head of the layer is covered.</summary>
public sealed class PsaLayerTest : IDisposable
{
    private const int BlockRows = 8;
    private const int Sinks = 8;
    private const int Recent = 16;
    private static readonly EngineOptions Exact = new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 64 << 20 };
    private readonly Model _model = Generation.LoadStories();

    public void Dispose() => _model.Dispose();

    [Theory]
    [InlineData("group=3")]
    [InlineData("tail=fit")]
    [InlineData("tail=min-times-left,metadata=cuboid-max")]
    public void WithOneKvHeadBothUnitsReadTheSame(string options)
    {
        using var layer = new LoneLayer(kvHeads: 1, groupHeads: 3, rows: 700, seed: 4);
        using var alone = Parse(options).CreateSelector(layer.Place);
        var together = layer.Selectors(Parse($"{options},unit=layer"));
        alone.Append(layer.Head(0), 0, 700);
        // Later steps begin with what the first ones needed.
        for (var step = 0; step < 4; step++)
        {
            var (rows, outputs) = layer.Attend(together);
            using var scratch = new AttentionScratch(layer.Shape, KvFormat.F32, LoneLayer.MaxRows);
            var counts = default(SelectionCounts);
            Assert.Equal(new AttentionHead(layer.Head(0), alone).Attend(layer.Queries(0), (0, 700), default, scratch, ref counts).Output.ToArray(), outputs[0]);
            Assert.Equal(counts.Reads, new LayerReads(rows[0].Count, 700, (rows[0].Count - Sinks - Recent - EdgeRows(700)) / BlockRows));
        }
    }

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData(2, 1, 300, "last-mean", 0.5)]
    [InlineData(4, 2, 500, "last-mean", 0.7)]
    [InlineData(3, 4, 707, "min-times-left", 0.9)]
    [InlineData(8, 1, 1000, "last-mean", 0.8)]
    [InlineData(2, 7, 1000, "min-times-left", 0.8)]
    public void ReadingStopsWhenEveryQueryHeadOfTheLayerIsCovered(int kvHeads, int groupHeads, int rows, string tail, double coverage)
    {
        const int Group = 3;
        for (var seed = 0; seed < 6; seed++)
        {
            using var layer = new LoneLayer(kvHeads, groupHeads, rows, seed);
            var policy = Parse($"group={Group},tail={tail},coverage={coverage.ToString(System.Globalization.CultureInfo.InvariantCulture)},unit=layer");
            var (read, outputs) = layer.Attend(layer.Selectors(policy));
            var wanted = layer.BruteForce(Group, tail, coverage);
            for (var kvHead = 0; kvHead < kvHeads; kvHead++)
            {
                Assert.True(wanted.SetEquals(read[kvHead]), $"seed {seed}, KV head {kvHead}: {read[kvHead].Count} rows, not {wanted.Count}");
                var expected = layer.Outputs(kvHead, wanted);
                for (var i = 0; i < expected.Length; i++)
                    Assert.True(Math.Abs(expected[i] - outputs[kvHead][i]) < 1e-5, $"seed {seed}, KV head {kvHead}, at {i}: {outputs[kvHead][i]}, not {expected[i]}");
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(23)]
    [InlineData(24)]
    [InlineData(25)]
    [InlineData(33)]
    [InlineData(40)]
    public void ContextsWithoutAWholeBlockAreReadWhole(int rows)
    {
        using var layer = new LoneLayer(kvHeads: 3, groupHeads: 2, rows, seed: rows);
        var (read, _) = layer.Attend(layer.Selectors(Parse("unit=layer")));
        Assert.All(read, own => Assert.Equal(rows, own.Count));
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void KeepingEverythingEqualsDense()
    {
        foreach (var kv in KvFormat.Table)
        {
            var tokens = kv == KvFormat.F32 ? 30 : 6;
            Answer("psa:unit=layer,coverage=1,block=4,recent=8,min-context=0", kv, tokens).AssertEquals(Answer("dense", kv, tokens), kv == KvFormat.F32 ? 1e-4 : 5e-2, $"{kv}");
        }
    }

    [Fact]
    public void NeitherThreadsNorAuditsChangeTheAnswer()
    {
        const string Policy = "psa:unit=layer,coverage=0.6,block=4,sinks=4,recent=8,min-context=0";
        var answer = Answer(Policy, KvFormat.BF16, 20);
        foreach (var threads in new[] { 2, 3 })
        {
            var other = Generation.Run(_model, Exact with { Kv = KvFormat.BF16, Threads = threads, AuditShare = 0.5 }, Prompt(), Options(Policy, 20));
            Assert.Equal(answer.Logprobs, other.Logprobs);
            Assert.True(other.Sequence.AuditFigures!.HeadCount > 0);
        }
    }

    [Fact]
    public void AStudyHasTheFiguresOfDoublePrecision()
    {
        const int Queries = 5;
        var recorded = new RecordedAttention(PolicyCatalog.Parse("psa:unit=layer,coverage=0.6,block=4,group=2,sinks=4,recent=8,dense-layers=3,min-context=0"));
        using var engine = new Engine(_model, Exact);
        var study = new AttentionProbe(engine, [PolicyCatalog.Parse("dense"), recorded], Queries).Run(Prompt()).Policies[1];
        var figures = recorded.Figures;
        Assert.Equal(5 * 8 * Queries, figures.Count);
        foreach (var head in figures.GroupBy(static figure => (figure.Layer, figure.KvHead, figure.Head)))
        {
            var (layer, at) = (head.Key.Layer, (2 * head.Key.KvHead) + head.Key.Head);
            Assert.Equal(head.Average(static figure => figure.Error), study.Error.Layer(layer)[at], 1e-4);
            Assert.Equal(head.Average(static figure => figure.Mass), study.MassKept.Layer(layer)[at], 1e-4);
            Assert.Equal(head.Average(static figure => (double)figure.RowsRead / figure.RowsInSight), study.KeysRead.Layer(layer)[head.Key.KvHead], 1e-9);
        }

        for (var layer = 0; layer < 5; layer++)
        {
            Assert.Equal(layer == 3, study.KeysRead.LayerMean(layer) == 1);
            Assert.Single(study.KeysRead.Layer(layer).ToArray().Distinct());
        }
    }

    private static AttentionPolicy Parse(string options) => PolicyCatalog.Parse($"psa:block={BlockRows},sinks={Sinks},recent={Recent},min-context=0,{options}");

    // Rows of the last block that the newest rows have a part of.
    private static int EdgeRows(int rows) => (rows - Recent) % BlockRows;

    private static GenerationOptions Options(string policy, int tokens) => Generation.Greedy(tokens) with { Attention = PolicyCatalog.Parse(policy) };

    private Generation Answer(string policy, KvFormat kv, int tokens) => Generation.Run(_model, Exact with { Kv = kv }, Prompt(), Options(policy, tokens));

    private int[] Prompt() =>
        _model.Tokenizer.Encode(string.Concat(Enumerable.Repeat("Tom and Lily went to the big park to play with a red ball. ", 20)))[..120];

    /// <summary>The KV heads of one layer with random rows and queries, without an engine.</summary>
    private sealed class LoneLayer : IDisposable
    {
        public const int MaxRows = 1024;
        private const int Dim = 16;
        private readonly Kvasir.Cache.KvCache _cache;
        private readonly Kvasir.Cache.SequenceCache _sequence;
        private readonly RoundParts _parts;
        private readonly LayerScratch _scratch;
        private readonly float[][] _queries;
        private readonly float[][][] _keys;
        private readonly float[][][] _values;

        public LoneLayer(int kvHeads, int groupHeads, int rows, int seed)
        {
            var random = new Random(seed);
            Shape = new AttentionShape(1, kvHeads * groupHeads, kvHeads, Dim, null);
            _cache = new Kvasir.Cache.KvCache(KvFormat.F32, 1, kvHeads, Dim, 16 << 20);
            _sequence = _cache.Open(MaxRows);
            Assert.True(_sequence.TryReserve(rows));
            _parts = new RoundParts(Shape);
            _scratch = new LayerScratch(Shape, KvFormat.F32, MaxRows, _parts);
            _queries = [.. Enumerable.Range(0, kvHeads).Select(_ => Normal(groupHeads * Dim))];
            _keys = [.. Enumerable.Range(0, kvHeads).Select(_ => Enumerable.Range(0, rows).Select(_ => Normal(Dim)).ToArray())];
            _values = [.. Enumerable.Range(0, kvHeads).Select(_ => Enumerable.Range(0, rows).Select(_ => Normal(Dim)).ToArray())];
            for (var kvHead = 0; kvHead < kvHeads; kvHead++)
            {
                for (var row = 0; row < rows; row++)
                    Head(kvHead).Append(_keys[kvHead][row], _values[kvHead][row]);
            }

            float[] Normal(int count) => AttentionCase.Normal(random, count);
        }

        public AttentionShape Shape { get; }

        public HeadPlace Place => new(0, 1, 0, Shape.GroupHeads, Dim, MaxRows);

        private int Rows => _keys[0].Length;

        public Kvasir.Cache.KvHead Head(int kvHead) => _sequence.Head(0, kvHead);

        public float[] Queries(int kvHead) => _queries[kvHead];

        public Selector[] Selectors(AttentionPolicy policy)
        {
            var selectors = new Selector[Shape.KvHeadCount];
            policy.CreateLayer(Place, selectors);
            for (var kvHead = 0; kvHead < selectors.Length; kvHead++)
                selectors[kvHead].Append(Head(kvHead), 0, Rows);
            return selectors;
        }

        /// <summary>For each KV head the rows that it read, and its outputs.</summary>
        public (HashSet<int>[] Rows, float[][] Outputs) Attend(Selector[] selectors)
        {
            var read = Array.ConvertAll(selectors, static _ => new HashSet<int>());
            for (var kvHead = 0; kvHead < selectors.Length; kvHead++)
            {
                _scratch.Set(kvHead, new AttentionHead(Head(kvHead), new Watched(selectors[kvHead], read[kvHead])), default);
                _queries[kvHead].CopyTo(_scratch.Scratch(kvHead).Queries(Shape.GroupHeads));
            }

            HeadAttention.DecodeTogether(_scratch, (0, Rows));
            return (read, [.. Enumerable.Range(0, selectors.Length).Select(kvHead => _scratch.Sum(kvHead).Output.ToArray())]);
        }

        /// <summary>The rows that are read, in double precision but for the corners of blocks, which are stored in bf16.</summary>
        public HashSet<int> BruteForce(int group, string tail, double coverage)
        {
            var (first, end) = (Sinks / BlockRows, (Rows - Recent) / BlockRows);
            var order = Enumerable.Range(first, end - first).OrderByDescending(block => AllHeads().Max(head => Score(head, block))).ThenBy(static block => block).ToArray();
            HashSet<int> read = [.. Enumerable.Range(0, Sinks), .. Enumerable.Range(end * BlockRows, Rows - (end * BlockRows))];
            for (var taken = 0; taken < order.Length;)
            {
                var next = Math.Min(taken + group, order.Length);
                foreach (var block in order[taken..next])
                    read.UnionWith(Enumerable.Range(block * BlockRows, BlockRows));
                taken = next;
                var left = order.Length - taken;
                if (AllHeads().Min(head => Share(head, order[..taken], left)) > coverage)
                    break;
            }

            return read;

            double Share((int KvHead, int Head) head, int[] taken, int left)
            {
                var masses = taken.Select(block => Enumerable.Range(block * BlockRows, BlockRows).Sum(row => Weight(head, row))).ToArray();
                var each = tail == "last-mean" ? masses.TakeLast(8).Average() : masses.Min();
                var mass = read.Sum(row => Weight(head, row));
                return mass / (mass + (left * each));
            }
        }

        /// <summary>[group, dim]: attention over some rows.</summary>
        public double[] Outputs(int kvHead, IEnumerable<int> rows) => [.. Enumerable.Range(0, Shape.GroupHeads).SelectMany(head =>
        {
            var mass = rows.Sum(row => Weight((kvHead, head), row));
            return Enumerable.Range(0, Dim).Select(i => rows.Sum(row => Weight((kvHead, head), row) * _values[kvHead][row][i]) / mass);
        })];

        public void Dispose()
        {
            _scratch.Dispose();
            _parts.Dispose();
            _cache.Dispose();
        }

        private IEnumerable<(int KvHead, int Head)> AllHeads() =>
            Enumerable.Range(0, Shape.HeadCount).Select(head => (head / Shape.GroupHeads, head % Shape.GroupHeads));

        private double Weight((int KvHead, int Head) head, int row) =>
            Math.Exp(Enumerable.Range(0, Dim).Sum(i => (double)_queries[head.KvHead][(head.Head * Dim) + i] * _keys[head.KvHead][row][i]));

        private double Score((int KvHead, int Head) head, int block) => Enumerable.Range(0, Dim).Sum(i =>
        {
            var column = Enumerable.Range(block * BlockRows, BlockRows).Select(row => _keys[head.KvHead][row][i]).ToArray();
            var middle = (column.Min() + column.Max()) / 2;
            var distance = 0f;
            foreach (var x in column)
                distance += MathF.Abs(x - middle);
            var query = (double)_queries[head.KvHead][(head.Head * Dim) + i];
            return Math.Max(query * Rounded(middle + (distance / BlockRows)), query * Rounded(middle - (distance / BlockRows)));
        });

        // To bf16, halves to even.
        private static float Rounded(float x)
        {
            var bits = BitConverter.SingleToUInt32Bits(x);
            return BitConverter.UInt32BitsToSingle((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF_0000);
        }
    }

    private sealed class Watched(Selector selector, HashSet<int> read) : Selector
    {
        public override void Consider(in HeadQuery query, int round, in SoftmaxView sum) => selector.Consider(query, round, sum);

        public override void Reweight(in RowSet rows, int listed, Span<float> scores, int stride) => selector.Reweight(rows, listed, scores, stride);

        public override void Weighed(in RowSet rows, int listed, ReadOnlySpan<float> weights, int stride, ReadOnlySpan<float> max) => selector.Weighed(rows, listed, weights, stride, max);

        public override bool Select(in HeadQuery query, int round, in SoftmaxView sum, KvSelection selection)
        {
            var more = selector.Select(query, round, sum, selection);
            foreach (var row in selection.Rows)
                Assert.True(read.Add(row), $"row {row} twice");
            foreach (var (first, count) in selection.Ranges)
                read.UnionWith(Enumerable.Range(first, count));
            return more;
        }
    }
}

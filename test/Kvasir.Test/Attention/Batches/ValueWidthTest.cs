using Kvasir.Attention;
using Kvasir.Attention.Heads;
using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Models.Configs;

namespace Kvasir.Test.Attention.Batches;

/// <summary>Values that are narrower or wider than keys, as heads of compressed attention and some layers of other models have them.</summary>
public sealed class ValueWidthTest
{
    private const int RowCount = 2300;
    private const int Group = 3;

    public static TheoryData<string, int, int> Widths()
    {
        var data = new TheoryData<string, int, int>();
        foreach (var format in KvFormat.Table.Append(KvFormat.Pair(KvFormat.Q8, KvFormat.BF16)))
        {
            data.Add(format.Name, 96, 64);
            data.Add(format.Name, 32, 80);
        }

        return data;
    }

    [Theory]
    [Trait("Needs", "Minutes")]
    [MemberData(nameof(Widths))]
    public void AHeadAttendsByKeysOfOneWidthAndValuesOfAnother(string kv, int keyDim, int valueDim)
    {
        using var head = new Wide(KvFormat.Find(kv)!, keyDim, valueDim);
        // Rows of a dense round are divided into parts; then an audit, a policy that draws rows and hands back a partial sum, and a prompt.
        head.Require(head.Attend(PolicyCatalog.Dense), "dense");
        head.Require(head.Attend(PolicyCatalog.Parse("quest:share=1,page=4,min-context=0,dense-layers=none")), "quest");
        var guarded = head.Attend(PolicyCatalog.Parse("guarded:epsilon=0.3,delta=0.1,pilot=64,sinks=4,recent=4,min-context=0"));
        Assert.InRange(head.Distance(guarded), 0, 0.3);
        head.Require(head.Prefill(), "prompt");
    }

    /// <summary>A head filled with random rows, its query group, and what attention by it amounts to in double precision.</summary>
    private sealed class Wide : IDisposable
    {
        private readonly AttentionShape _shape;
        private readonly KvCache _cache;
        private readonly AttentionScratch _scratch;
        private readonly KvHead _head;
        private readonly float[] _queries;

        public Wide(KvFormat format, int keyDim, int valueDim)
        {
            var random = new Random(keyDim);
            _shape = new AttentionShape(1, Group, 1, keyDim, null) { ValueDim = valueDim };
            _cache = new KvCache(format, _shape, new MemoryBudget(8 << 20));
            _scratch = new AttentionScratch(_shape, format, RowCount);
            var sequence = _cache.Open(RowCount);
            Assert.True(sequence.TryReserve(RowCount));
            _head = sequence.Head(0, 0);
            for (var row = 0; row < RowCount; row++)
                _head.Append(TestHead.Normal(random, keyDim), TestHead.Normal(random, valueDim));
            _queries = [.. TestHead.Normal(random, Group * keyDim).Select(x => 2 * x / MathF.Sqrt(keyDim))];
        }

        public float[] Attend(AttentionPolicy policy)
        {
            using var selector = policy.CreateSelector(HeadPlace.Of(_shape, 0, 0, RowCount));
            var head = new AttentionHead(_head, selector);
            head.Append(0, RowCount);
            head.EndPrompt();
            var (counts, comparison) = (default(SelectionCounts), new DenseComparison(_shape));
            comparison.Begin();
            var outputs = head.Attend(_queries, (0, RowCount), new Watchers(null, comparison), _scratch, ref counts).Output.ToArray();
            Assert.Equal(Group * _shape.ValueDim, outputs.Length);
            return head.Attend(_queries, (0, RowCount), default, _scratch, ref counts).Output.ToArray();
        }

        public float[] Prefill() => HeadAttention.Prefill(_head, _queries, _shape, RowCount - 1, _scratch).ToArray();

        public void Require(float[] outputs, string what)
        {
            // Queries that meet q8 rows are rounded to 16 bits, and so are weights.
            var distance = Distance(outputs);
            Assert.True(distance < 2e-4, $"{what}: off by {distance} of its length");
        }

        public double Distance(float[] outputs)
        {
            var (difference, length) = (0.0, 0.0);
            var (key, value) = (new float[_shape.Dim], new float[_shape.ValueDim]);
            for (var query = 0; query < Group; query++)
            {
                var (sums, mass) = (new double[_shape.ValueDim], 0.0);
                for (var row = 0; row < RowCount; row++)
                {
                    _head.Keys.Decode(row, key);
                    _head.Values.Decode(row, value);
                    var weight = Math.Exp(key.Select((x, d) => (double)x * _queries[(query * _shape.Dim) + d]).Sum());
                    mass += weight;
                    for (var d = 0; d < sums.Length; d++)
                        sums[d] += weight * value[d];
                }

                for (var d = 0; d < sums.Length; d++)
                {
                    difference += Math.Pow(outputs[(query * sums.Length) + d] - (sums[d] / mass), 2);
                    length += Math.Pow(sums[d] / mass, 2);
                }
            }

            return Math.Sqrt(difference / length);
        }

        public void Dispose()
        {
            _scratch.Dispose();
            _cache.Dispose();
        }
    }
}

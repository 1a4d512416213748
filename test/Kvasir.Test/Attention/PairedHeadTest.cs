using Kvasir.Attention;
using Kvasir.Attention.Heads;
using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Models.Configs;

namespace Kvasir.Test.Attention;

/// <summary>
/// One head whose rows one policy drops, at any moment, and another selects, beside a brute force: the positions that the one keeps, and of these those that
/// the other's rule says, computed from keys and values that nobody has dropped.
/// </summary>
public sealed class PairedHeadTest : IDisposable
{
    private const int Dim = 16;
    private const int Group = 3;
    private const int MaxRows = 900;
    private const int Sinks = 5;
    private const int Recent = 6;
    private const int Page = 8;
    private const double Share = 0.15;
    private readonly KvCache _cache = new(KvFormat.F32, 1, 1, Dim, 16 << 20);
    private readonly AttentionScratch _scratch = new(new AttentionShape(1, Group, 1, Dim, null), KvFormat.F32, MaxRows);
    private readonly RowEdit _edit = new();
    private readonly List<float[]> _keys = [];
    private readonly List<float[]> _values = [];
    private readonly Dictionary<int, (float Upper, float Lower)[]> _corners = [];

    private delegate IEnumerable<int> Rule(float[] query, int head, float[] queries, int first, int end);

    public void Dispose()
    {
        _scratch.Dispose();
        _cache.Dispose();
    }

    [Theory]
    [InlineData("dense")]
    [InlineData("topk")]
    [InlineData("quest")]
    public void AStepReadsWhatTheRulesSay(string name)
    {
        var (select, rule) = name switch
        {
            "topk" => (FormattableString.Invariant($"topk:share={Share},sinks=2,recent={Recent},min-context=0"), (Rule)TopK),
            "quest" => (FormattableString.Invariant($"quest:share={Share},page={Page},sinks=2,recent={Recent},dense-layers=none,min-context=0"), Quest),
            _ => (name, static (_, _, _, first, end) => Enumerable.Range(first, end - first)),
        };
        for (var seed = 0; seed < 8; seed++)
            Run(select, rule, new Random(seed), $"{name}, seed {seed}");
    }

    [Theory]
    [InlineData("quest:share=0.1,page=8,sinks=2,recent=4,dense-layers=none,min-context=0")]
    [InlineData("quest:share=0.1,page=7,sinks=2,recent=4,dense-layers=none,min-context=0")]
    [InlineData("psa:block=4,group=2,coverage=0.6,sinks=2,recent=4,min-context=0")]
    [InlineData("topk:share=0.1,sinks=2,recent=4,min-context=0")]
    [InlineData("had:share=0.1,sinks=2,recent=4,min-context=0")]
    [InlineData("every-other:step=3,sinks=2,recent=4,min-context=0")]
    public void AnIndexThatFollowedEditsIsOneMadeOfWhatIsLeft(string name)
    {
        for (var seed = 0; seed < 12; seed++)
        {
            var random = new Random(seed);
            var head = NewHead();
            Append(head, random, 200 + random.Next(200));
            var place = new HeadPlace(0, 1, 0, Group, Dim, MaxRows);
            using var followed = PolicyCatalog.Parse(name).CreateSelector(place);
            followed.Append(head, 0, head.RowCount);
            followed.EndPrompt(head);
            for (var time = 0; time < 4; time++)
            {
                // Single rows, and runs that leave blocks whole.
                int[] kept = [.. Enumerable.Range(0, head.RowCount).Where(row => row / 56 % 3 != time % 3 && (row > 60 || random.Next(5) > 0))];
                _edit.Begin(head.RowCount);
                _edit.KeepOnly(kept);
                Assert.True(head.TryEdit(_edit));
                followed.Edited(head, _edit);
                Append(head, random, 70);
                followed.Append(head, head.RowCount - 70, 70);
                using var made = PolicyCatalog.Parse(name).CreateSelector(place);
                made.Append(head, 0, head.RowCount);
                made.EndPrompt(head);
                var queries = Normal(random, Group * Dim);
                Assert.True(Attend(head, made, queries).AsSpan().SequenceEqual(Attend(head, followed, queries)), $"{name}, seed {seed}, edit {time}");
            }

            head.Truncate(0);
        }
    }

    private void Run(string select, Rule rule, Random random, string what)
    {
        _keys.Clear();
        _values.Clear();
        _corners.Clear();
        var window = 40 + random.Next(120);
        var policy = PolicyCatalog.Parse($"{select}+streaming:sinks={Sinks},recent={window},min-context=0");
        var head = NewHead();
        using var selector = policy.CreateSelector(new HeadPlace(0, 1, 0, Group, Dim, MaxRows));
        Append(head, random, 1 + random.Next(400));
        selector.Append(head, 0, head.RowCount);
        selector.EndPrompt(head);
        var dropped = 0;
        for (var step = 0; step < 120; step++)
        {
            Append(head, random, 1);
            selector.Append(head, head.RowCount - 1, 1);
            var end = head.NextPosition;
            var queries = Normal(random, Group * Dim);
            var output = Attend(head, selector, queries);
            var hidden = Math.Max(Sinks, end - window);
            for (var query = 0; query < Group; query++)
            {
                var middle = (First: hidden, End: Math.Max(hidden, end - Recent));
                if (hidden == Sinks)
                    middle.First = 2;
                var rows = middle.First >= middle.End ? [] : rule(queries[(query * Dim)..((query + 1) * Dim)], query, queries, middle.First, middle.End);
                // The zones of both, and what was chosen between them.
                var zones = Enumerable.Range(0, Math.Min(end, hidden == Sinks ? 2 : Sinks)).Concat(Enumerable.Range(middle.End, Math.Max(0, end - middle.End)));
                var answer = Answer(queries.AsSpan(query * Dim, Dim), [.. zones.Concat(rows).Distinct().Order()]);
                AssertNear(answer, output.AsSpan(query * Dim, Dim), $"{what}, window {window}, step {step}, head {query}");
            }

            if ((step < 119 && random.Next(6) > 0) || selector.DroppableRows(head, (0, end + 1)) == 0)
                continue;
            _edit.Begin(head.RowCount);
            selector.Edit(head, (0, end + 1), _edit);
            Assert.True(head.TryEdit(_edit));
            selector.Edited(head, _edit);
            dropped += _edit.DroppedCount;
        }

        Assert.Equal(head.NextPosition - dropped, head.RowCount);
        Assert.True(dropped > 0 || head.NextPosition < window + 63, what);
        head.Truncate(0);
    }

    // The rows with the largest scores.
    private IEnumerable<int> TopK(float[] query, int head, float[] queries, int first, int end) =>
        Enumerable.Range(first, end - first).OrderByDescending(row => Product(query, _keys[row])).Take((int)Math.Ceiling((float)Share * (end - first)));

    // Whole pages of positions with the highest bound for any head, and what shares a page with a zone.
    private IEnumerable<int> Quest(float[] query, int head, float[] queries, int first, int end)
    {
        var (from, to) = ((first + Page - 1) / Page, end / Page);
        if (from >= to)
            return Enumerable.Range(first, end - first);
        var best = Enumerable.Range(from, to - from)
            .OrderByDescending(page => Enumerable.Range(0, Group).Max(other => Bound(queries.AsSpan(other * Dim, Dim), page)))
            .Take(Math.Min(to - from, Math.Max(3, (int)MathF.Ceiling((float)Share * (to - from)))))
            .SelectMany(static page => Enumerable.Range(page * Page, Page));
        return [.. Enumerable.Range(first, (from * Page) - first), .. Enumerable.Range(to * Page, end - (to * Page)), .. best];
    }

    private double Bound(ReadOnlySpan<float> query, int page)
    {
        var bound = 0.0;
        if (!_corners.TryGetValue(page, out var corners))
        {
            var keys = _keys.GetRange(page * Page, Page);
            corners = _corners[page] = [.. Enumerable.Range(0, Dim).Select(i => (Rounded(keys.Max(key => key[i])), Rounded(keys.Min(key => key[i]))))];
        }

        for (var i = 0; i < Dim; i++)
            bound += Math.Max((double)query[i] * corners[i].Upper, (double)query[i] * corners[i].Lower);
        return bound;
    }

    // To 16 bits, as corners are stored.
    private static float Rounded(float x)
    {
        var bytes = new byte[RowCodec.BF16.RowBytes(1)];
        RowCodec.BF16.Encode([x], bytes);
        return BitConverter.UInt32BitsToSingle((uint)BitConverter.ToUInt16(bytes) << 16);
    }

    private double[] Answer(ReadOnlySpan<float> query, int[] rows)
    {
        var (own, max, mass, sums) = (query.ToArray(), double.NegativeInfinity, 0.0, new double[Dim]);
        foreach (var row in rows)
            max = Math.Max(max, Product(own, _keys[row]));
        foreach (var row in rows)
        {
            var weight = Math.Exp(Product(own, _keys[row]) - max);
            mass += weight;
            for (var i = 0; i < Dim; i++)
                sums[i] += weight * _values[row][i];
        }

        return [.. sums.Select(sum => sum / mass)];
    }

    private KvHead NewHead() => _cache.Open(MaxRows).Head(0, 0);

    private void Append(KvHead head, Random random, int count)
    {
        Assert.True(head.TryReserve(head.NextPosition + count));
        for (var i = 0; i < count; i++)
        {
            _keys.Add(Normal(random, Dim));
            _values.Add(Normal(random, Dim));
            head.Append(_keys[^1], _values[^1]);
        }
    }

    private float[] Attend(KvHead head, Selector selector, float[] queries)
    {
        var counts = default(SelectionCounts);
        return new AttentionHead(head, selector).Attend(queries, (0, head.NextPosition), default, _scratch, ref counts).Output.ToArray();
    }

    private static double Product(float[] x, float[] y)
    {
        var sum = 0.0;
        for (var i = 0; i < x.Length; i++)
            sum += (double)x[i] * y[i];
        return sum;
    }

    private static void AssertNear(double[] expected, ReadOnlySpan<float> actual, string what)
    {
        for (var i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(expected[i] - actual[i]) <= 2e-5 * (1 + Math.Abs(expected[i])), $"{what}: {actual[i]} instead of {expected[i]} at {i}");
    }

    private static float[] Normal(Random random, int count)
    {
        var values = new float[count];
        for (var i = 0; i < count; i++)
            values[i] = MathF.Sqrt(-2 * MathF.Log(1 - random.NextSingle())) * MathF.Cos(2 * MathF.PI * random.NextSingle());
        return values;
    }
}

using System.Globalization;
using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Memory;

namespace Kvasir.Test.Attention.Policies;

public sealed class ClusterKVTest
{
    private const int Sinks = 3;
    private const int Recent = 5;
    private const int Segment = 256;
    private const int Passes = 6;
    private const int Cluster = 16;

    [Theory]
    [InlineData(1, 48)]
    [InlineData(3, 64)]
    [InlineData(7, 80)]
    [InlineData(3, 33)]
    [InlineData(2, 256)]
    public void AGroupReadsTheClustersWhoseCentroidsScoreBest(int group, int dim)
    {
        // Nothing behind the sinks, few rows, a segment and what is over, and two and a half.
        foreach (var between in new[] { 0, 1, 31, 33, 300, 640 })
        {
            var (count, seed) = (between + Sinks + Recent, 100 * dim + between);
            var place = new HeadPlace(0, 1, 0, group, dim, count);
            using var rows = new ChosenRows(place, count, seed);
            var clusters = Clusters(rows, count);
            foreach (var share in new[] { 0.01, 0.13, 1 })
            {
                using var selector = Policy(FormattableString.Invariant($"share={share}")).CreateSelector(place);
                rows.Index(selector);
                rows.AssertAttends(
                    selector, _ => Chosen(rows, clusters, group, between, share), 2e-5,
                    string.Create(CultureInfo.InvariantCulture, $"{between} rows between, share {share}, seed {seed}"));
            }
        }
    }

    [Fact]
    public void GeneratedRowsAreReadUntilTheirWindowIsFullAndThenByCluster()
    {
        const int Prompt = 200, Window = 64, Generated = 150;
        var place = new HeadPlace(0, 1, 0, 2, 16, Prompt + Generated);
        using var rows = new LoneHead(place, rowCount: Prompt + Generated, seed: 5);
        using var selector = Policy($"share=0.02,window={Window}").CreateSelector(place);
        rows.AppendTo(selector, 0, Prompt);
        rows.EndPrompt(selector, Prompt);
        for (var row = Prompt; row < Prompt + Generated; row++)
        {
            rows.AppendTo(selector, row, 1);
            rows.Attend(selector, row);
            var tail = Prompt + ((row + 1 - Prompt) / Window * Window);
            Assert.True(Enumerable.Range(tail, row + 1 - tail).All(rows.LastRead.Contains), $"at row {row}");
            // Of what lies between the zones and is clustered, two in a hundred.
            var between = row + 1 - Recent - Sinks;
            Assert.Equal((int)MathF.Ceiling(0.02f * between), rows.LastRead.Count(read => read >= Sinks && read < Math.Min(tail, row + 1 - Recent)));
        }
    }

    [Fact]
    public void HoweverItIsSlicedTheClustersAreTheSame()
    {
        const int Rows = 900;
        var place = new HeadPlace(0, 1, 0, 3, 24, Rows);
        using var rows = new ChosenRows(place, Rows, 8);
        using var whole = Policy("share=0.1").CreateSelector(place);
        rows.Index(whole);
        foreach (var slice in new[] { 1, 7, 130, 400 })
        {
            using var sliced = Policy("share=0.1").CreateSelector(place);
            using var scratch = new IndexScratch();
            sliced.Append(rows.Head, 0, Rows);
            sliced.EndPrompt(rows.Head);
            for (var waiting = sliced.RowsWaiting; waiting > 0; waiting = sliced.RowsWaiting)
            {
                sliced.Build(rows.Head, Math.Min(slice, waiting), scratch);
                Assert.True(sliced.RowsWaiting < waiting);
            }

            Assert.Equal(whole.IndexBytes, sliced.IndexBytes);
            Assert.Equal(rows.Attend(whole), rows.Attend(sliced));
        }
    }

    [Fact]
    public void SegmentsThatOthersWroteAreThoseOfTheRows()
    {
        const int Rows = 700;
        var place = new HeadPlace(0, 1, 0, 3, 24, Rows);
        using var rows = new ChosenRows(place, Rows, 9);
        var policy = Policy("share=0.1");
        using var whole = policy.CreateSelector(place);
        using var copied = policy.CreateSelector(place);
        rows.Index(whole);
        Assert.Equal(2 * Segment, whole.RowsForParts);
        using var memory = new NativeBuffer(policy.PartBytes(place, Segment));
        for (var row = 0; row < 2 * Segment; row = policy.PartEnd(row))
        {
            whole.WritePart(row, Segment, memory.View);
            copied.ReadPart(rows.Head, row, Segment, memory.View);
        }

        rows.Index(copied);
        Assert.Equal(whole.IndexBytes, copied.IndexBytes);
        Assert.Equal(rows.Attend(whole), rows.Attend(copied));
    }

    private static AttentionPolicy Policy(string options) =>
        PolicyCatalog.Parse($"clusterkv:{options},cluster={Cluster},segment={Segment},passes={Passes},sinks={Sinks},recent={Recent},dense-layers=none,min-context=0");

    // Sinks, the newest, and clusters best first until there are as many rows as are wanted.
    private static IEnumerable<int> Chosen(ChosenRows rows, List<(double[] Centroid, int[] Rows)> clusters, int group, int between, double share)
    {
        var best = clusters.OrderByDescending(cluster => Enumerable.Range(0, group).Max(head => rows.Query(head).Zip(Stored(cluster.Centroid), static (x, y) => (double)x * y).Sum()));
        var middle = best.SelectMany(static cluster => cluster.Rows).Where(row => row < Sinks + between).Take(Math.Max(1, (int)Math.Ceiling((float)share * between)));
        return Enumerable.Range(0, Sinks).Concat(Enumerable.Range(Sinks + between, Recent)).Concat(middle);
    }

    private static List<(double[] Centroid, int[] Rows)> Clusters(ChosenRows rows, int count)
    {
        var clusters = new List<(double[], int[])>();
        for (var first = 0; first < count; first += Segment)
            clusters.AddRange(Means(rows.Keys, Math.Max(first, Sinks), Math.Min(first + Segment, count)));
        return clusters;
    }

    private static IEnumerable<(double[] Centroid, int[] Rows)> Means(float[][] keys, int first, int end)
    {
        var (count, labels) = (Math.Max(1, (end - first) / Cluster), new int[end - first]);
        if (first >= end)
            return [];
        double[][] Sums() => [.. Enumerable.Range(0, count).Select(c => Enumerable.Range(0, keys[0].Length).Select(i => Members(c).Sum(row => (double)keys[row][i])).ToArray())];
        IEnumerable<int> Members(int cluster) => Enumerable.Range(first, end - first).Where(row => labels[row - first] == cluster);
        var units = Enumerable.Range(0, count).Select(i => Unit([.. keys[first + (((2 * i) + 1) * (end - first) / (2 * count))].Select(static x => (double)x)])).ToArray();
        for (var pass = 0; pass < Passes; pass++)
        {
            var before = labels;
            labels = [.. Enumerable.Range(first, end - first).Select(row => Best(units, keys[row]))];
            if (pass > 0 && labels.SequenceEqual(before))
                break;
            units = [.. Sums().Select((sum, i) => Members(i).Any() ? Unit(sum) : units[i])];
        }

        return [.. Sums().Select((sum, i) => (Centroid: sum.Select(x => x / Math.Max(1, Members(i).Count())).ToArray(), Rows: Members(i).ToArray())).Where(static cluster => cluster.Rows.Length > 0)];
    }

    private static int Best(double[][] units, float[] key) =>
        Enumerable.Range(0, units.Length).MaxBy(i => units[i].Zip(key, static (x, y) => x * y).Sum());

    private static double[] Unit(double[] vector)
    {
        var length = Math.Sqrt(vector.Sum(static x => x * x));
        return [.. vector.Select(x => x / length)];
    }

    // As the index keeps it.
    private static float[] Stored(double[] centroid)
    {
        var (row, stored) = (new byte[RowCodec.BF16.RowBytes(centroid.Length)], new float[centroid.Length]);
        RowCodec.BF16.Encode([.. centroid.Select(static x => (float)x)], row);
        RowCodec.BF16.Decode(row, stored);
        return stored;
    }
}

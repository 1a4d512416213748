using Kvasir.Attention;
using Kvasir.Attention.Dropping;

namespace Kvasir.Test.Attention.Dropping;

/// <summary>Budgets of layers from a sample of prompts, held to the paper's greedy rule in double precision; and what is kept by them.</summary>
public sealed class XKVTest(ITestOutputHelper output) : IDisposable
{
    private const int Observed = 8;
    private const int Width = 7;
    private const int Recent = 8;
    private readonly TempFolder _folder = new();

    private string File => _folder.File("budgets.json");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ASampleGivesEachRowToTheLayerThatGainsMost()
    {
        var seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        foreach (var (group, dim, rows) in ((int, int, int)[])[(1, 48, 31), (3, 64, 33), (7, 128, 60), (1, 256, 200), (3, 80, 333)])
        {
            var random = new Random(seed);
            var sample = new BudgetSample(4);
            using var heads = new ObservedHeads(new XKV(sample), random, (4, group, dim, rows), Observed);
            Assert.All(heads.Kept(random), kept => Assert.Equal(rows, kept.Length));
            var (expected, found) = (Greedy(heads), sample.MeanShares());
            // Two gains that are near each other may be taken in either order.
            for (var i = 0; i < found.Length; i++)
                Assert.Equal(expected[i], found[i], 1.01 / (rows + 1 - Recent));
            for (var layer = 0; layer < 4; layer++)
                Assert.Equal(1, found[layer * LayerBudgets.Steps + LayerBudgets.Steps - 1], 1e-12);
        }
    }

    [Fact]
    public void PromptsThatAreKeptAnywaySayNothing()
    {
        var sample = new BudgetSample(2);
        foreach (var rows in new[] { 1, Recent - 1 })
        {
            using var heads = new ObservedHeads(new XKV(sample), new Random(1), (2, 1, 48, rows), Observed);
            heads.Kept(new Random(1));
        }

        Assert.Equal(0, sample.PromptCount);
    }

    [Theory]
    [InlineData(0.05, "none")]
    [InlineData(0.3, "none")]
    [InlineData(0.3, "1")]
    [InlineData(1.0, "none")]
    public void EachLayerKeepsItsShareAndAllTogetherTheBudget(double share, string dense)
    {
        // Of three layers, which keep twice, once and none of the mean until the first has all.
        var shares = new double[3 * LayerBudgets.Steps];
        for (var step = 0; step < LayerBudgets.Steps; step++)
        {
            var whole = (step + 1.0) / LayerBudgets.Steps;
            (shares[step], shares[LayerBudgets.Steps + step]) = (Math.Min(1, 2 * whole), whole);
            shares[2 * LayerBudgets.Steps + step] = Math.Max(0, 2 * whole - 1);
        }

        new LayerBudgets("tiny", 3, ObservedHeads.KvHeads, 48, shares).Save(File, 1, 1);
        const int Rows = 500;
        var policy = (XKV)PolicyOf(share, dense);
        var (between, random) = (Rows + 1 - Recent, new Random(4));
        using var heads = new ObservedHeads(policy, random, (3, 3, 48, Rows), Observed);
        var kept = heads.Kept(random);
        var isDense = dense == "1";
        var mean = Math.Max(0, Math.Ceiling((float)share * Rows) - (Rows - between));
        for (var head = 0; head < heads.Count; head++)
        {
            var layer = head / ObservedHeads.KvHeads;
            var wanted = layer == 1 ? mean : layer == 0 ? Math.Min(between, 2 * mean) : Math.Max(0, 2 * mean - between);
            Assert.Equal(isDense && layer == 1 ? Rows : Rows - between + wanted, kept[head].Length, 1.0);
        }

        // The plan says the same.
        for (var layer = 0; layer < 3; layer++)
            Assert.Equal(policy.RowsKeptAt(new(3, 3 * ObservedHeads.KvHeads, ObservedHeads.KvHeads, 48, null), layer, Rows), kept[layer * ObservedHeads.KvHeads].Length);
    }

    [Fact]
    public void WhatIsSavedIsLoadedAndWhatIsNoneIsRefused()
    {
        new LayerBudgets("a \"model\"", 2, 3, 4, [.. Enumerable.Range(0, 2 * LayerBudgets.Steps).Select(static i => i / 200.0)]).Save(File, 7, 77);
        var loaded = LayerBudgets.Load(File);
        Assert.Equal(("a \"model\"", 2, 3, 4), (loaded.Model, loaded.LayerCount, loaded.KvHeadCount, loaded.Dim));
        Assert.Equal(0.25, loaded.Of(0, 0.51), 1e-9);
        Assert.Equal(0.5125, loaded.Of(1, 0.035), 1e-9);
        var text = System.IO.File.ReadAllText(File);
        foreach (var (from, to, said) in new[]
        {
            ("kvasir-layer-budgets", "other", "'format' is 'other'; kvasir-layer-budgets was expected"),
            ("\"layers\": 2", "\"layers\": 3", "'shares.2' is missing"),
            ("\"layers\": 2", "\"layers\": 0", "'layers' is 0; 1 to 4096 is allowed"),
            ("0.005", "1.5", "'shares.0' holds 1.5; 0 to 1 is allowed"),
        })
        {
            System.IO.File.WriteAllText(File, text.Replace(from, to, StringComparison.Ordinal));
            var refusal = Assert.Throws<KvasirException>(() => LayerBudgets.Load(File));
            Assert.Contains(said, refusal.Message, StringComparison.Ordinal);
            Assert.StartsWith(File, refusal.Message, StringComparison.Ordinal);
        }
    }

    private AttentionPolicy PolicyOf(double share, string dense) => Kvasir.Attention.Policies.PolicyCatalog.Parse(
        FormattableString.Invariant($"xkv:file={File},share={share},observed={Observed},recent={Recent},dense-layers={dense},min-context=0"));

    // Row by row, as the paper's code does it: [layers, steps].
    private static double[] Greedy(ObservedHeads heads)
    {
        var between = heads.Rows + 1 - Recent;
        var gains = new double[heads.Layers][];
        for (var layer = 0; layer < heads.Layers; layer++)
        {
            var own = Enumerable.Range(layer * ObservedHeads.KvHeads, ObservedHeads.KvHeads)
                .Select(head => Enumerable.Range(0, between).Select(row => Smoothed(heads, head, row, between)).OrderDescending().ToArray()).ToArray();
            var sum = own.Sum(static head => head.Sum());
            gains[layer] = [.. Enumerable.Range(0, between).Select(i => own.Sum(head => head[i]) / sum)];
        }

        var (kept, shares) = (new int[heads.Layers], new double[heads.Layers * LayerBudgets.Steps]);
        for (var (given, step) = (0, 0); given < heads.Layers * between;)
        {
            kept[Enumerable.Range(0, heads.Layers).Where(layer => kept[layer] < between).MaxBy(layer => gains[layer][kept[layer]])]++;
            given++;
            for (; step < LayerBudgets.Steps && given * LayerBudgets.Steps >= (step + 1) * heads.Layers * between; step++)
            {
                for (var layer = 0; layer < heads.Layers; layer++)
                    shares[layer * LayerBudgets.Steps + step] = (double)kept[layer] / between;
            }
        }

        return shares;
    }

    private static double Smoothed(ObservedHeads heads, int head, int row, int end) =>
        Enumerable.Range(row - Width / 2, Width).Where(other => other >= 0 && other < end)
            .Sum(other => heads.WeightsOf(head).Sum(query => query.Sum(own => (double)own[other]))) / Width;
}

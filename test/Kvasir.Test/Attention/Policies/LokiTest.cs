using Kvasir.Attention;
using Kvasir.Attention.Indexes;
using Kvasir.Attention.Policies;
using Kvasir.Files;
using Kvasir.Ground;

namespace Kvasir.Test.Attention.Policies;

public sealed class LokiTest : IDisposable
{
    private readonly string _path = Path.Combine(Path.GetTempPath(), $"kvasir-{Guid.NewGuid():N}.safetensors");

    public void Dispose() => File.Delete(_path);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    [InlineData(64)]
    public void AxesAreEigenvectorsMostVarianceFirst(int dim)
    {
        var random = new Random(dim);
        var matrix = new double[dim * dim];
        for (var i = 0; i < dim; i++)
        {
            for (var j = 0; j <= i; j++)
                matrix[i * dim + j] = matrix[j * dim + i] = random.NextDouble() - 0.5;
        }

        var axes = PrincipalAxes.Of([.. matrix], dim);
        var last = double.PositiveInfinity;
        for (var i = 0; i < dim; i++)
        {
            var axis = axes.AsSpan(i * dim, dim).ToArray();
            var turned = Enumerable.Range(0, dim).Select(row => Enumerable.Range(0, dim).Sum(column => matrix[row * dim + column] * axis[column])).ToArray();
            var variance = turned.Zip(axis, static (x, y) => x * y).Sum();
            Assert.True(variance <= last + 1e-12);
            last = variance;
            Assert.All(Enumerable.Range(0, dim), row => Assert.Equal(variance * axis[row], turned[row], 1e-10));
            for (var j = 0; j < dim; j++)
                Assert.Equal(i == j ? 1 : 0, axis.Zip(axes.AsSpan(j * dim, dim).ToArray(), static (x, y) => x * y).Sum(), 1e-12);
        }
    }

    [Theory]
    [InlineData(8, 1)]
    [InlineData(33, 3)]
    public void AllDimensionsChooseWhatTheExactScoresDo(int dim, int group)
    {
        var place = new HeadPlace(0, 1, 0, group, dim, 1024);
        using var rows = new LoneHead(place, rowCount: 1000, seed: 3);
        new KeyAxes(1, 1, dim, Turned(dim)).Save(_path, "test", 1);
        using var loki = PolicyCatalog.Parse($"loki:rank=1024,share=0.1,min-context=0,file={_path}").CreateSelector(place);
        using var exact = PolicyCatalog.Parse("topk:share=0.1,min-context=0").CreateSelector(place);
        loki.Append(rows.Head, 0, 1000);
        rows.Attend(exact);
        var expected = rows.LastRead.ToHashSet();
        rows.Attend(loki);
        // Coordinates are bf16: a few rows at the threshold may change places.
        Assert.InRange(expected.Intersect(rows.LastRead).Count(), 0.97 * expected.Count, expected.Count);
        Assert.InRange(rows.LastRead.Count, 0.97 * expected.Count, 1.03 * expected.Count);
    }

    [Fact]
    public void WhatIsSavedIsLoaded()
    {
        var axes = Enumerable.Range(0, 2 * 3 * 4 * 4).Select(static i => i / 7f).ToArray();
        new KeyAxes(2, 3, 4, axes).Save(_path, "a \"model\"", 77);
        var loaded = KeyAxes.Load(_path);
        Assert.Equal((2, 3, 4), (loaded.LayerCount, loaded.KvHeadCount, loaded.Dim));
        Assert.Equal(axes[80..], loaded.Head(1, 2).ToArray());
    }

    [Fact]
    public void FilesThatDoNotFitAreRefusedInOneLine()
    {
        using var model = Generation.LoadStories();
        Refused(model, "loki", "attention policy 'loki' needs file=PATH, which kvasir calibrate writes");
        Refused(model, $"loki:file={_path}", $"{_path} does not exist");
        File.WriteAllText(_path, "nothing of the kind");
        Refused(model, $"loki:file={_path}", _path);
        new KeyAxes(5, 4, 16, new float[5 * 4 * 16 * 16]).Save(_path, "other", 1);
        Refused(model, $"loki:file={_path}", $"{_path} is of a model with 5 layers of 4 KV heads of 16; this one has 5 of 4 of 8");
        new KeyAxes(1, 1, 2, [1, 0, 0, float.NaN]).Save(_path, "other", 1);
        Refused(model, $"loki:file={_path}", "holds NaN");
    }

    private static void Refused(Model model, string policy, string message)
    {
        var refusal = Assert.Throws<KvasirException>(() => new Engine(model, new EngineOptions { Attention = PolicyCatalog.Parse(policy), KvMemoryBytes = 16 << 20 }));
        Assert.Contains(message, refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refusal.Message);
    }

    // Orthogonal axes that mix all dimensions.
    private static float[] Turned(int dim)
    {
        var random = new Random(9);
        var matrix = new double[dim * dim];
        for (var i = 0; i < dim; i++)
        {
            for (var j = 0; j <= i; j++)
                matrix[i * dim + j] = matrix[j * dim + i] = random.NextDouble();
        }

        return [.. PrincipalAxes.Of(matrix, dim).Select(static x => (float)x)];
    }
}

namespace Kvasir.Tools.Test.Cli.Embed;

public sealed class EmbedCommandTest
{
    private static readonly string[] Here = ["embed", "stories260K", "--threads", "1"];

    [Fact]
    public void EachLineIsAVectorOfLengthOneInItsPlace()
    {
        // More than are embedded side by side.
        string[] texts = [.. Enumerable.Range(0, 20).Select(static i => $"One day, a little cat saw {i} dogs")];
        var run = CliRun.With(string.Join("\r\n", texts) + "\n", [.. Here, "-q"]);
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        Assert.Equal(Enumerable.Range(0, 20), run.Json.Select(static line => line["index"]!.GetValue<int>()));
        var vectors = run.Json.Select(Vector).ToArray();
        Assert.All(vectors, static vector => Assert.Equal(1, vector.Sum(static x => (double)x * x), 5));
        Assert.Equal(20, vectors.Select(static vector => vector[0]).Distinct().Count());
        var alone = Vector(Assert.Single(CliRun.Of([.. Here, texts[17], "-q"]).Json));
        Assert.All(alone.Zip(vectors[17]), static pair => Assert.Equal(pair.First, pair.Second, 4));
    }

    [Fact]
    public async Task AServerGivesTheSameVectors()
    {
        await using var server = await LocalServer.OfStoriesAsync(static options => options.Embeddings = true);
        var here = CliRun.With("a cat\na dog", [.. Here, "-q"]).Json;
        var there = CliRun.With("a cat\na dog", ["embed", "--server", server.Address, "-q"]).Json;
        Assert.Equal((2, 2), (here.Length, there.Length));
        for (var i = 0; i < 2; i++)
            Assert.All(Vector(here[i]).Zip(Vector(there[i])), static pair => Assert.Equal(pair.First, pair.Second, 4));
        // Two texts that come together are computed in a step, or one behind the other: the last bits may differ.
        var alone = Vector(Assert.Single(CliRun.Of("embed", "--server", server.Address, "a dog", "-q").Json));
        Assert.All(alone.Zip(Vector(there[1])), static pair => Assert.Equal(pair.First, pair.Second, 1e-5));
    }

    [Fact]
    public void WhatCannotBeEmbeddedIsNamedByItsLine()
    {
        Assert.Contains("line 2 of the standard input is empty", CliRun.With("a\n\nb\n", [.. Here, "-q"]).Error);
        Assert.Contains("the standard input is empty", CliRun.With("", [.. Here, "-q"]).Error);
        var late = CliRun.With("a\n" + string.Concat(Enumerable.Repeat("Once upon a time ", 200)), [.. Here, "-q"]);
        Assert.Equal((1, ""), (late.ExitCode, late.Output));
        Assert.Matches("line 2 of the standard input has [0-9]+ tokens, and the context has 512", late.Error);
        Assert.Equal(2, CliRun.Of([.. Here, "a", "--file", "b"]).ExitCode);
    }

    [Fact]
    public async Task AServerThatEmbedsNothingSaysHowItWould()
    {
        await using var server = await LocalServer.OfStoriesAsync();
        var run = CliRun.Of("embed", "--server", server.Address, "a cat");
        Assert.Equal(1, run.ExitCode);
        Assert.Contains("--embeddings", run.Error);
    }

    private static float[] Vector(System.Text.Json.Nodes.JsonNode line) => [.. line["embedding"]!.AsArray().Select(static value => value!.GetValue<float>())];
}

namespace Kvasir.Tools.Test.Cli.Shared.Flags;

/// <summary>A bad option of a policy is one line with its name, its value and what is allowed, whichever verb it was typed for.</summary>
public sealed class PolicyOptionsTest
{
    private const string Layers = "layers from 0 on with + between, as 0+16, or none";

    [Theory]
    [InlineData("magicpig", "bits", "0", "1 to 16")]
    [InlineData("magicpig", "bits", "17", "1 to 16")]
    [InlineData("magicpig", "bits", "4.5", "1 to 16")]
    [InlineData("magicpig", "tables", "0", "2 to 1024")]
    [InlineData("magicpig", "tables", "", "2 to 1024")]
    [InlineData("psa", "coverage", "0", "above 0 and at most 1")]
    [InlineData("psa", "coverage", "NaN", "above 0 and at most 1")]
    [InlineData("psa", "coverage", "1e-50", "above 0 and at most 1")]
    [InlineData("psa", "group", "-1", "0 to 4096")]
    [InlineData("psa", "metadata", "cuboid", "cuboid-mean or cuboid-max or centroid")]
    [InlineData("psa", "min-context", "-1", "0 to 2147483647")]
    [InlineData("psa", "min-context", "99999999999", "0 to 2147483647")]
    [InlineData("topp", "coverage", "1.5", "above 0 and at most 1")]
    [InlineData("alisa", "ratio", "0", "above 0 and at most 1")]
    [InlineData("alisa", "ratio", "1.01", "above 0 and at most 1")]
    [InlineData("alisa", "ratio", "-Infinity", "above 0 and at most 1")]
    [InlineData("alisa", "observed", "0", "1 to 4096")]
    [InlineData("guarded", "epsilon", "0", "above 0 and at most 1")]
    [InlineData("guarded", "delta", "0.6", "above 0 and at most 0.5")]
    [InlineData("guarded", "delta", "0", "above 0 and at most 0.5")]
    [InlineData("loki", "rank", "0", "1 to ")]
    [InlineData("streaming", "recent", "0", "1 to 1048576")]
    [InlineData("streaming", "sinks", "65537", "0 to 65536")]
    [InlineData("streaming", "dense-layers", "-1", Layers)]
    [InlineData("streaming", "dense-layers", "1+", Layers)]
    [InlineData("streaming", "dense-layers", "99999999999", Layers)]
    public void AValueOutOfRangeIsNamedWithTheRange(string policy, string option, string value, string allowed)
    {
        string[][] verbs = [["run", "stories260K", "hi"], ["chat", "stories260K"], ["bench", "stories260K"], ["inspect", "stories260K", "--attention", "--prompt-file", "-"]];
        foreach (var verb in verbs)
        {
            var flag = verb[0] == "inspect" ? "--policies" : "--attention";
            var run = CliRun.Of([.. verb, flag, $"{policy}:{option}={value}"]);
            Assert.Equal((2, ""), (run.ExitCode, run.Output));
            Assert.StartsWith($"kvasir: {flag}: attention policy '{policy}' takes {option} {allowed}", run.Error, StringComparison.Ordinal);
            Assert.EndsWith($", not '{value}'; see kvasir {verb[0]} --help\n", run.Error, StringComparison.Ordinal);
            Assert.Equal(1, run.Error.Count(static c => c == '\n'));
        }
    }

    [Theory]
    [InlineData("psa:budget=3", "'psa' has no option 'budget=3' of the form key=value; known: coverage, most, block, group, unit, ")]
    [InlineData("psa:coverage", "'psa' has no option 'coverage' of the form key=value; known: coverage, ")]
    [InlineData("psa:=3", "'psa' has no option '=3' of the form key=value; known: coverage, ")]
    [InlineData("magicpig:Bits=3", "'magicpig' has no option 'Bits=3' of the form key=value; known: bits, tables, ")]
    [InlineData("dense:seed=1", "'dense' has no option 'seed=1' of the form key=value; it has none")]
    public void AnUnknownOptionIsNamedWithTheKnownOnes(string policy, string message)
    {
        var run = CliRun.Of("run", "stories260K", "hi", "--attention", policy);
        Assert.Equal((2, ""), (run.ExitCode, run.Output));
        Assert.StartsWith($"kvasir: --attention: attention policy {message}", run.Error, StringComparison.Ordinal);
        Assert.Equal(1, run.Error.Count(static c => c == '\n'));
    }

    [Theory]
    [InlineData("run", "stories260K", "hi", "--attention")]
    [InlineData("bench", "stories260K", "--repeat", "1", "--attention")]
    [InlineData("inspect", "stories260K", "--attention", "--prompt-file", "-", "--queries", "1", "--policies")]
    public void LayersThatTheModelHasNotAreNamedWithThoseItHas(params string[] verb)
    {
        foreach (var policy in new[] { "psa:dense-layers=5", "magicpig:dense-layers=0+5", "alisa:dense-layers=5" })
        {
            var run = CliRun.With("Tom and Lily went to the big park.", [.. verb, policy]);
            Assert.Equal((1, ""), (run.ExitCode, run.Output));
            Assert.Equal($"kvasir: attention policy '{policy}' names layer 5, and the model has layers 0 to 4\n", run.Error);
        }
    }
}

using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Tools.Test.Cli.Shared.Flags;

public sealed class KvFlagsTest
{
    [Fact]
    public void EveryRowIsInTheDocumentsAndInTheHelpOfEveryVerbThatStoresKeysAndValues()
    {
        var document = File.ReadAllText(Path.Combine(TidyTest.Root, "docs", "using.md"));
        var helps = ((string[])["run", "chat", "inspect", "bench", "eval", "tune", "demo"]).Select(verb => string.Join(' ', CliRun.Of(verb, "--help").Output.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)));
        foreach (var format in KvFormat.Table)
        {
            Assert.Contains($"`{format.Name}`", document, StringComparison.Ordinal);
            Assert.All(helps, help => Assert.Contains($"{format.Name} ({format.Help})", help, StringComparison.Ordinal));
        }
    }
}

using Kvasir.Cli;
using Kvasir.Cli.Shared;

namespace Kvasir.Tools.Test.Cli.Shared;

/// <summary>Whoever closes the standard output is told so in one line, whichever verb was asked, and before anything is looked for. ProcessTest closes a real one.</summary>
public sealed class ClosedOutputTest
{
    private const string Name = "the standard output";

    [Theory]
    [InlineData("policies --json")]
    [InlineData("inspect stories260K")]
    [InlineData("tune nothing-here --prompts none.jsonl")]
    [InlineData("eval ppl nothing-here --file none.txt")]
    [InlineData("bench nothing-here")]
    [InlineData("demo --model nothing-here")]
    [InlineData("inspect nothing-here --attention --prompt-file none")]
    public void EveryVerbSaysSoFirst(string command)
    {
        using var output = new StreamWriter(new StandardStream(null, Name)) { AutoFlush = true };
        using var error = new StringWriter { NewLine = "\n" };
        var exitCode = Verbs.Run(command.Split(' '), new Shell(TextReader.Null, output, error) { OutputProblem = $"{Name} is closed" });
        Assert.Equal((1, "kvasir: reading or writing failed: the standard output is closed\n"), (exitCode, error.ToString()));
    }
}

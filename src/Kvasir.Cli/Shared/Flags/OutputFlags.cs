using System.CommandLine;

namespace Kvasir.Cli.Shared.Flags;

/// <summary>What is written beside the answer, and in which form.</summary>
internal sealed class OutputFlags
{
    /// <summary>The name, for callers that have no parsed command line yet.</summary>
    public const string JsonName = "--json";

    /// <summary>The names, for callers that have no parsed command line yet.</summary>
    public static readonly string[] QuietNames = ["--quiet", "-q"];

    private readonly Option<bool> _json;
    private readonly Option<bool> _quiet = new(QuietNames[0], QuietNames[1]) { Description = "No plan, progress or timings; errors only" };

    /// <param name="jsonDescription">What the JSON holds.</param>
    public OutputFlags(string jsonDescription) => _json = new Option<bool>(JsonName) { Description = jsonDescription };

    public void AddTo(Command command)
    {
        command.Options.Add(_json);
        command.Options.Add(_quiet);
    }

    public bool IsJson(ParseResult typed) => typed.GetValue(_json);

    public bool IsQuiet(ParseResult typed) => typed.GetValue(_quiet);
}

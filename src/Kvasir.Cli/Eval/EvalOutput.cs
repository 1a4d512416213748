using System.CommandLine;
using Kvasir.Cli.Shared.Flags;

namespace Kvasir.Cli.Eval;

/// <summary>Where <c>eval</c> keeps and writes its results.</summary>
internal sealed class EvalOutput
{
    /// <summary>In place of a path.</summary>
    public const string StandardOutput = "-";

    private readonly Option<string?> _state = new("--state") { HelpName = "FILE", Description = "Keep every result here, so that an interrupted run goes on where it stopped" };
    private readonly Option<bool> _restart = new("--restart") { Description = "With --state: begin the file anew" };
    private readonly Option<string?> _json = new(OutputFlags.JsonName) { HelpName = "FILE", Description = "Write settings, points and samples as one JSON object (- for the standard output, in place of the table)" };
    private readonly Option<string?> _csv = new("--csv") { HelpName = "FILE", Description = "Write the samples, a line each, with commas between (- for the standard output, in place of the table)" };
    private readonly Option<string?> _page = new("--html") { HelpName = "FILE", Description = "Write tables, plots and maps as a page that stands alone" };
    private readonly Option<string?> _pictures = new("--svg") { HelpName = "FOLDER", Description = "Write plots and maps as SVG files: pareto.svg and others" };
    private readonly Option<bool> _quiet = new("--quiet", "-q") { Description = "No progress and no notes; errors only" };

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_state, _restart, _json, _csv, _page, _pictures, _quiet])
            command.Options.Add(option);
        command.Validators.Add(result =>
        {
            if (result.GetValue(_restart) && result.GetResult(_state) is null)
                result.AddError("--restart has a meaning with --state FILE only");
            if (result.GetValue(_json) == StandardOutput && result.GetValue(_csv) == StandardOutput)
                result.AddError("--json - and --csv - were given; one of them is allowed");
        });
    }

    /// <summary>Whether an option only says where results go.</summary>
    public bool Owns(Option option) => option == _state || option == _restart || option == _json || option == _csv || option == _page || option == _pictures || option == _quiet;

    public string? State(ParseResult typed) => typed.GetValue(_state);

    public bool Restarts(ParseResult typed) => typed.GetValue(_restart);

    public string? Json(ParseResult typed) => typed.GetValue(_json);

    public string? Csv(ParseResult typed) => typed.GetValue(_csv);

    public string? Page(ParseResult typed) => typed.GetValue(_page);

    public string? Pictures(ParseResult typed) => typed.GetValue(_pictures);

    public bool IsQuiet(ParseResult typed) => typed.GetValue(_quiet);
}

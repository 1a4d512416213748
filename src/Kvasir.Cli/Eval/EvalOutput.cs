using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;

namespace Kvasir.Cli.Eval;

/// <summary>Where <c>eval</c> keeps and writes its results.</summary>
internal static class EvalOutput
{
    /// <summary>In place of a path.</summary>
    public const string StandardOutput = "-";

    public static readonly ValueFlag<string> State = new(
        "--state", "Keep every result here; an interrupted run goes on where it stopped", FlagValues.WrittenFile);
    public static readonly SwitchFlag Restart = new("--restart", "With --state: begin the file anew");

    public static readonly ValueFlag<string> Json = new(
        "--json", "Write settings, points and samples as one JSON object (- for the standard output, in place of the table)", FlagValues.WrittenFile);

    public static readonly ValueFlag<string> Csv = new(
        "--csv", "Write the samples, a line each, with commas between (- for the standard output, in place of the table)", FlagValues.WrittenFile);

    public static readonly ValueFlag<string> Page = new("--html", "Write tables, plots and maps as a page that stands alone", FlagValues.WrittenFile);
    public static readonly ValueFlag<string> Pictures = new(
        "--svg",
        "Write plots and maps as SVG files: pareto.svg and others",
        FlagValues.WrittenFile with { Name = "FOLDER" });
    public static readonly SwitchFlag Quiet = OutputFlags.Quiet with { Help = "No progress and no notes; errors only" };

    public static readonly FlagGroup Group = new("Output", State, Restart, Json, Csv, Page, Pictures, Quiet);

    /// <summary>As <see cref="Verb.Refusal"/>.</summary>
    public static string? Refusal(TypedCommand typed)
    {
        if (typed.Is(Restart) && !typed.Has(State))
            return "--restart has a meaning with --state FILE only";
        return typed.Find(Json) == StandardOutput && typed.Find(Csv) == StandardOutput ? "--json - and --csv - were given; one of them is allowed" : null;
    }

    /// <summary>Whether a flag only says where results go.</summary>
    public static bool Owns(string name) => Group.Flags.Any(flag => flag.Name == name);
}

using System.Globalization;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;
using Kvasir.Tiers;

namespace Kvasir.Cli.Cache;

/// <summary><c>kvasir cache list</c>, and <c>kvasir cache</c>: which keys and values outlast the process.</summary>
internal sealed class CacheListCommand(Shell shell, string name) : Verb
{
    private static readonly SwitchFlag Json = OutputFlags.Json("Write one JSON object instead of the text");

    public override string Name => name;

    public override string Summary => "List the keys and values that were kept in a folder or a file: of which models, of how many tokens";

    public override IReadOnlyList<Operand> Operands => [CachePlace.Path];

    public override IReadOnlyList<FlagGroup> Flags => [new("Output", Json)];

    public override IReadOnlyList<string> Examples =>
    [
        $"kvasir {name} /var/cache/kvasir",
        $"kvasir {name} book.kv --json | jq .file.tokens",
    ];

    public override int Run(TypedCommand typed)
    {
        var report = Report(typed.Get(CachePlace.Path));
        if (typed.Is(Json))
        {
            shell.Output.WriteLine(CacheJson.Text(report));
            return ExitCode.Ok;
        }

        var sections = new TextSections(shell.Output);
        if (report.File is { } file)
        {
            sections.Write(
                $"{Printable.Line(report.Path)}: {SizeText.Bytes(report.Bytes)}",
                [
                    ["model", Printable.Line(file.Model)], ["format", Printable.Line(file.Format)], ["attention", Printable.Line(file.Attention)],
                    ["tokens", $"{SizeText.Count(file.RowTokens)} of {SizeText.Count(file.Tokens)}"],
                ]);
            return ExitCode.Ok;
        }

        sections.Write(
            $"{Printable.Line(report.Path)}: {SizeText.Bytes(report.Bytes)}",
            [["model and format", "tokens", "size", "chains", "last used"], .. report.Prefixes.Select(static prefixes => new[]
            {
                Printable.Line(prefixes.Origin), SizeText.Count(prefixes.Tokens), SizeText.Bytes(prefixes.Bytes),
                SizeText.Count(prefixes.Chains), prefixes.UsedAt.ToLocalTime().ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture),
            })]);
        return ExitCode.Ok;
    }

    private static CacheReport Report(string path)
    {
        using var store = CachePlace.Open(path, readsOnly: true);
        if (store is null)
        {
            var file = SavedFile.Read(path);
            return new CacheReport(path, file.Bytes, [], file);
        }

        return new CacheReport(path, store.Figures.Bytes, [.. store.List().Select(static prefixes => new CachedPrefixes(
            prefixes.Origin, prefixes.Chains, prefixes.Tokens, prefixes.Bytes, prefixes.UsedAt))], null);
    }
}

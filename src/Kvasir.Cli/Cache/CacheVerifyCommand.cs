using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;
using Kvasir.Tiers;

namespace Kvasir.Cli.Cache;

/// <summary><c>kvasir cache verify</c>: whether what was kept is what was written.</summary>
internal sealed class CacheVerifyCommand(Shell shell) : Verb
{
    private static readonly SwitchFlag Json = OutputFlags.Json("Write one JSON object instead of the text");

    public override string Name => "cache verify";

    public override string Summary => "Read all keys and values that were kept in a folder or a file, and say whether they are what was written";

    public override IReadOnlyList<Operand> Operands => [CachePlace.Path];

    public override IReadOnlyList<FlagGroup> Flags => [new("Output", Json)];

    public override IReadOnlyList<string> Examples => ["kvasir cache verify /var/cache/kvasir", "kvasir cache verify book.kv"];

    public override string Notes => "The exit code is 1 where something is damaged. It is never used all the same: who would have found it computes it again.";

    public override int Run(TypedCommand typed)
    {
        var check = Check(typed.Get(CachePlace.Path));
        if (typed.Is(Json))
            shell.Output.WriteLine(CacheJson.Text(check));
        else if (check.Problem is { } problem)
            shell.Output.WriteLine(Printable.Line(problem));
        else
            shell.Output.WriteLine($"{SizeText.Count(check.Whole)} whole, {SizeText.Count(check.Damaged)} damaged");
        return check.Damaged == 0 ? ExitCode.Ok : ExitCode.Failed;
    }

    private static CacheCheck Check(string path)
    {
        using var store = CachePlace.Open(path, readsOnly: true);
        if (store is not null)
        {
            var (whole, damaged) = store.Verify();
            return new CacheCheck(path, whole, damaged, null);
        }

        try
        {
            SavedFile.Verify(path);
            return new CacheCheck(path, 1, 0, null);
        }
        catch (KvasirException damage) when (damage.Error == KvasirError.BadFile)
        {
            return new CacheCheck(path, 0, 1, damage.Message);
        }
    }
}

using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;
using Kvasir.Tiers;

namespace Kvasir.Cli.Cache;

/// <summary><c>kvasir cache clear</c>: nothing is kept any more.</summary>
internal sealed class CacheClearCommand(Shell shell) : Verb
{
    private static readonly SwitchFlag Json = OutputFlags.Json("Write one JSON object instead of the text");

    public override string Name => "cache clear";

    public override string Summary => "Delete the keys and values that were kept in a folder or a file";

    public override IReadOnlyList<Operand> Operands => [CachePlace.Path];

    public override IReadOnlyList<FlagGroup> Flags => [new("Output", Json)];

    public override IReadOnlyList<string> Examples => ["kvasir cache clear /var/cache/kvasir"];

    public override string Notes => "Text can be read out of keys and values. A folder that a process writes to is not cleared: stop it first.";

    public override int Run(TypedCommand typed)
    {
        var path = typed.Get(CachePlace.Path);
        var bytes = Clear(path);
        shell.Output.WriteLine(typed.Is(Json)
            ? CacheJson.Text(new ClearedCache(path, bytes))
            : $"deleted {SizeText.Bytes(bytes)} in {Printable.Line(path)}");
        return ExitCode.Ok;
    }

    private static long Clear(string path)
    {
        using var store = CachePlace.Open(path, readsOnly: false);
        if (store is not null)
        {
            var bytes = store.Figures.Bytes;
            store.Clear();
            return bytes;
        }

        // Nothing else than what was saved is deleted.
        var file = SavedFile.Read(path);
        try
        {
            File.Delete(path);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            throw new KvasirException(KvasirError.FileNotFound, $"{path} cannot be deleted: {problem.Message}", problem);
        }

        return file.Bytes;
    }
}

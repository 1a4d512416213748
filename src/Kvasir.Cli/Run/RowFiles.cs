using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;
using Kvasir.Kernels.Files;

namespace Kvasir.Cli.Run;

/// <summary>What <c>run --load-kv</c> and <c>--save-kv</c> do before an answer and behind it.</summary>
internal sealed class RowFiles(Shell shell, TypedCommand typed)
{
    private readonly string? _loaded = typed.Find(KvFileFlags.Load);
    private readonly string? _saved = typed.Find(KvFileFlags.Save);
    private readonly bool _quiet = typed.Is(OutputFlags.Quiet);

    /// <summary>What was taken from a file; null where nobody asked.</summary>
    public KvFileReport? Loaded { get; private set; }

    /// <summary>What was written; null where nobody asked, or where it failed.</summary>
    public KvFileReport? Saved { get; private set; }

    /// <summary>Why nothing was; null for nothing.</summary>
    public KvasirException? Failure { get; private set; }

    /// <summary>Looks whether the file can be written, before anything is computed.</summary>
    /// <exception cref="KvasirException">It cannot be.</exception>
    public void RequireWritable()
    {
        if (_saved is null)
            return;
        ReportFile.RequireReplaceable(_saved);
        ReportFile.RequireWritable(ReplacedFile.TemporaryName(_saved));
    }

    /// <exception cref="KvasirException">The file is missing, damaged, or has rows of something else.</exception>
    public void Load(Engine engine, Sequence sequence)
    {
        if (_loaded is null)
            return;
        var use = engine.LoadKv(_loaded, sequence.Tokens, sequence.Options);
        Loaded = KvFileReport.Of(_loaded, use);
        var parting = use.DivergedAt is { } token ? $"; the prompt leaves it at token {SizeText.Count(token)}" : "";
        Note($"loaded {SizeText.Count(use.Tokens)} of {SizeText.TokenCount(use.FileTokens)} from {Printable.Line(_loaded)}{parting}");
    }

    /// <summary>Writes what the engine has of a sequence that has ended. An interrupt meanwhile lets it finish, and a second one leaves the old file.</summary>
    /// <returns>The exit code of that interrupt; 0 where there was none.</returns>
    public int Save(Engine engine, Sequence sequence)
    {
        if (_saved is null || sequence.Finish == FinishReason.Failed)
            return ExitCode.Ok;
        shell.Interrupts.Guard(static () => { }, () =>
        {
            try
            {
                Saved = KvFileReport.Of(_saved, engine.SaveKv(_saved, sequence.Tokens, sequence.Options, Announce));
            }
            catch (KvasirException problem)
            {
                Failure = problem;
            }
        });
        return shell.Interrupts.Code;
    }

    private void Announce(KvFileUse use) =>
        Note($"saving {SizeText.Count(use.Tokens)} of {SizeText.TokenCount(use.FileTokens)} to {Printable.Line(_saved!)}, {SizeText.Bytes(use.Bytes)}");

    private void Note(string line)
    {
        if (!_quiet)
            shell.Note(line);
    }
}

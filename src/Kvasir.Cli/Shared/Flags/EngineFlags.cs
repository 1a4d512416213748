using System.CommandLine;
using System.Globalization;
using Kvasir.Attention;
using Kvasir.Kernels.Attention;

namespace Kvasir.Cli.Shared.Flags;

/// <summary>How the engine runs: attention, KV cache, context, threads.</summary>
internal sealed class EngineFlags
{
    private const int MaxThreads = 1024;

    // One policy, or none for the machine to choose; a parser that was called may not return null.
    private readonly Option<AttentionPolicy[]?> _attention = new("--attention")
    {
        HelpName = "POLICY",
        Description = $"Which keys and values are read, as name, name:key=value,... (kvasir policies lists the options), or @FILE with one of these: {PolicyCatalog.Names}; auto is dense below the context length from which {AutoAttention.Policy} pays on this machine, which is measured once [default: auto]",
        CustomParser = static result =>
        {
            var text = result.Tokens[^1].Value;
            if (text == AutoAttention.Name)
                return [];
            try
            {
                return [PolicyList.One(text)];
            }
            catch (KvasirException refusal)
            {
                result.AddError($"--attention: {refusal.Message}");
                return [];
            }
        },
    };

    private readonly Option<double?> _audit = Audit();
    private readonly Option<KvType?> _kv = Kv();
    private readonly Option<long?> _kvMemory = KvMemory();
    private readonly Option<int?> _context = Context();
    private readonly Option<int?> _threads = Threads();

    public static Option<double?> Audit(double share = 0) => Typed.Number(
        "--audit", string.Create(CultureInfo.InvariantCulture, $"Attend this share of what a sparse policy attends, drawn by step, layer and head, densely as well, and report how far off it was: 0 to 1; costs that share of dense attention [default: {share}]"), 0, 1);

    public static Option<KvType?> Kv() => Typed.Parsed(
        "--kv", "TYPE", "How keys and values are stored: bf16, q8 (half of that, nearly exact), int8 (keys by channel, which outliers do not harm, values by token), int8-channel (both by channel) or f32 (the reference) [default: bf16]", KvText.Known, KvText.Parse);

    public static Option<long?> KvMemory() => Typed.Parsed<long?>(
        "--kv-memory", "SIZE", "The most memory that the KV cache and its indexes may take together, as 512M, 2G or 1.5GiB [default: half of what is available]",
        "a size such as 512M, 2G or 1.5GiB", text => SizeText.TryBytes(text, out var bytes) ? bytes : null);

    public static Option<int?> Context() => Typed.Parsed<int?>(
        "--context", "TOKENS", "The most tokens of prompt and answer together, as 4096 or 32k [default: the model's native window]",
        "a number of tokens such as 4096, 32k or 1M", text => SizeText.TryTokens(text, out var tokens) ? tokens : null);

    public static Option<int?> Threads() => Typed.Whole("--threads", $"Threads that compute, 1 to {MaxThreads} [default: one for each physical core]", 1, MaxThreads);

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_attention, _audit, _kv, _kvMemory, _context, _threads])
            command.Options.Add(option);
    }

    /// <summary>Whether the machine is to choose the policy: nobody named one.</summary>
    public bool IsAuto(ParseResult typed) => typed.GetValue(_attention) is null or [];

    /// <summary>For one sequence at a time; dense where <see cref="IsAuto"/>.</summary>
    public EngineOptions Read(ParseResult typed)
    {
        var defaults = new EngineOptions();
        return defaults with
        {
            Attention = typed.GetValue(_attention) is [var named] ? named : defaults.Attention,
            AuditShare = typed.GetValue(_audit) ?? 0,
            Kv = typed.GetValue(_kv) ?? defaults.Kv,
            KvMemoryBytes = typed.GetValue(_kvMemory) ?? 0,
            ContextTokens = typed.GetValue(_context) ?? 0,
            Threads = typed.GetValue(_threads) ?? 0,
            MaxSequences = 1,
            QueueLimit = 1,
        };
    }
}

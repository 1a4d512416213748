using System.CommandLine;
using System.Globalization;
using Kvasir.Attention;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Kernels.Attention;

namespace Kvasir.Cli.Bench;

/// <summary>What <c>bench</c> measures.</summary>
internal sealed class BenchFlags
{
    private const int MaxBatch = 512;
    private const int MaxRepeat = 1000;
    private const int MaxDecodeTokens = 1 << 20;
    private const int DefaultPrefill = 512;
    private const int DefaultRepeat = 5;

    private readonly Option<int[]?> _prefill = Tokens(
        "--prefill", "Prompt tokens computed on top of each depth, as 512,4096; 0 measures none [default: 512]", "a list of token counts such as 512,4096, or 0");

    private readonly Option<int[]?> _depth = Tokens(
        "--depth", "Tokens in the cache before each measurement, as 0,4096,32k [default: 0]", "a list of token counts such as 0,4096,32k");

    private readonly Option<int[]?> _batch = Typed.Parsed(
        "--batch", "LIST", $"Sequences that decode together, each at the depth, as 1,4,16 [default: 1]", $"a list of whole numbers from 1 to {MaxBatch}",
        static text => List(text, static part => int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count is >= 1 and <= MaxBatch ? count : null));

    private readonly Option<int?> _decode = Typed.Whole(
        "--decode", "Tokens that each sequence generates in a run; 0 measures none [default: as many as take 0.3 s, 8 to 64]", 0, MaxDecodeTokens);

    private readonly Option<AttentionPolicy[]?> _attention = new("--attention")
    {
        HelpName = "LIST",
        Description = $"Policies to compare, as dense, name:key=value,... or @FILE with one; several with commas between: {PolicyCatalog.Names} [default: dense]",
        CustomParser = static result => PolicyList.Parse(result, "--attention"),
    };

    private readonly Option<double?> _audit = EngineFlags.Audit();
    private readonly Option<BenchFill?> _fill = Typed.Parsed<BenchFill?>(
        "--fill", "HOW", "How the cache comes to a depth: prefill computes it, which is slow at 32k and beyond; random writes keys and values of noise, fast [default: prefill]", "prefill or random",
        static text => text.ToUpperInvariant() switch { "PREFILL" => BenchFill.Prefill, "RANDOM" => BenchFill.Random, _ => null });

    private readonly Option<int?> _repeat = Typed.Whole("--repeat", $"Timed runs of each case; the median counts [default: {DefaultRepeat}]", 1, MaxRepeat);
    private readonly Option<KvType?> _kv = EngineFlags.Kv();
    private readonly Option<long?> _kvMemory = Typed.Parsed<long?>(
        "--kv-memory", "SIZE", "The most memory that the KV cache and its indexes may take together, as 512M, 2G or 1.5GiB [default: what is available]",
        "a size such as 512M, 2G or 1.5GiB", static text => SizeText.TryBytes(text, out var bytes) ? bytes : null);

    private readonly Option<int?> _context = Typed.Parsed<int?>(
        "--context", "TOKENS", "The most tokens of a sequence, where a depth goes past the model's native window", "a number of tokens such as 4096, 32k or 1M",
        static text => SizeText.TryTokens(text, out var tokens) ? tokens : null);

    private readonly Option<int?> _threads = EngineFlags.Threads();
    private readonly Option<ulong?> _seed = Typed.Parsed<ulong?>(
        "--seed", "N", "Of random weights, tokens, keys and values [default: 1]", "a whole number from 0 to 2^64 - 1",
        static text => ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seed) ? seed : null);

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_prefill, _depth, _decode, _batch, _attention, _audit, _fill, _kv, _kvMemory, _context, _threads, _repeat, _seed])
            command.Options.Add(option);
        command.Validators.Add(result =>
        {
            // A value that was refused already cannot be asked for.
            if (result.GetResult(_prefill)?.Tokens is [{ Value: "0" }] && result.GetResult(_decode)?.Tokens is [{ Value: "0" }])
                result.AddError("--prefill 0 and --decode 0 leave nothing to measure");
        });
    }

    public BenchPlan Read(ParseResult typed) => new()
    {
        PrefillTokens = [.. Given(typed, _prefill, DefaultPrefill).Where(static tokens => tokens > 0)],
        Depths = Given(typed, _depth, 0),
        Batches = Given(typed, _batch, 1),
        DecodeSteps = typed.GetValue(_decode),
        Repeat = typed.GetValue(_repeat) ?? DefaultRepeat,
        Attention = typed.GetValue(_attention) is [_, ..] policies ? policies : [PolicyCatalog.Dense],
        AuditShare = typed.GetValue(_audit) ?? 0,
        Fill = typed.GetValue(_fill) ?? BenchFill.Prefill,
        Seed = typed.GetValue(_seed) ?? 1,
        Kv = typed.GetValue(_kv) ?? new EngineOptions().Kv,
        Threads = typed.GetValue(_threads) ?? 0,
        KvMemoryBytes = typed.GetValue(_kvMemory) ?? 0,
        ContextTokens = typed.GetValue(_context) ?? 0,
    };

    // The parser gives an empty list where nothing is typed.
    private static int[] Given(ParseResult typed, Option<int[]?> option, int otherwise) => typed.GetValue(option) is [_, ..] values ? values : [otherwise];

    private static Option<int[]?> Tokens(string name, string description, string allowed) =>
        Typed.Parsed(name, "LIST", description, allowed, static text => List(text, static part => part == "0" ? 0 : SizeText.TryTokens(part, out var tokens) ? tokens : null));

    /// <summary>Ascending, each once; null where a part is not understood or there is none.</summary>
    private static int[]? List(string text, Func<string, int?> parse)
    {
        var values = Array.ConvertAll(text.Split(',', StringSplitOptions.TrimEntries), part => parse(part));
        return Array.TrueForAll(values, static value => value is not null) ? [.. values.Select(static value => value!.Value).Distinct().Order()] : null;
    }
}

using System.Globalization;
using System.Text.Json;
using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Attention.Zones;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Machine;
using Kvasir.Measurement;
using Kvasir.Models.Configs;

namespace Kvasir;

/// <summary>
/// Attention that is chosen for a user who names none: dense below the context length from which a sparse policy pays on this machine, and that policy above
/// it. The length is measured once for a shape of heads and a type of KV cache, and kept in a file.
/// </summary>
public static class AutoAttention
{
    /// <summary>What a user writes where a policy's name would stand.</summary>
    public const string Name = "auto";

    /// <summary>The policy that is taken above the length: docs/choosing-a-policy.md has the evidence.</summary>
    public const string Policy = "guarded";

    // Where keys and values lie on file: tiers of memory want rows that lie together.
    private const string FilePolicy = "quest";

    // Where a choice is kept, in place of the user's own folder.
    private const string FileVariable = "KVASIR_AUTO_ATTENTION";

    /// <summary>The policy and its options for a model on this machine.</summary>
    /// <param name="kv">How keys and values will be stored.</param>
    /// <param name="contextTokens">The most tokens of a sequence; 0 is the model's native window.</param>
    public static AutoChoice Choose(ModelConfig config, KvFormat kv, int contextTokens)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(kv);
        return Choose(config, kv, contextTokens, File());
    }

    /// <summary>The policy where keys and values may lie on file (<see cref="EngineOptions.KvDirectory"/>): one that reads what lies together there.</summary>
    public static AutoChoice ChooseForFiles()
    {
        var spec = PolicyCatalog.Spec(FilePolicy);
        return new AutoChoice(spec, spec.Whole(ExactZones.MinContextName));
    }

    /// <param name="path">Of the file where lengths are kept.</param>
    /// <inheritdoc cref="Choose(ModelConfig, KvFormat, int)"/>
    internal static AutoChoice Choose(ModelConfig config, KvFormat kv, int contextTokens, string path)
    {
        ArgumentNullException.ThrowIfNull(config);
        var context = config.ContextOf(contextTokens);
        var (key, known) = (Key(config, kv), Read(path));
        if (!known.TryGetValue(key, out var sparseFrom) && context >= AttentionCrossover.LeastDepth)
        {
            // All depths, so that the next model of this shape may have any window.
            sparseFrom = new AttentionCrossover(config, kv).Find(SparseFrom(0).Create(), int.MaxValue) ?? 0;
            known[key] = sparseFrom;
            Write(path, known);
        }

        return sparseFrom == 0 || sparseFrom > context ? new AutoChoice(PolicyCatalog.Dense.Spec, null) : new AutoChoice(SparseFrom(sparseFrom), sparseFrom);
    }

    /// <summary>What a length holds for: this machine, these kernels with the instructions that they may use, and a shape of heads.</summary>
    internal static string Key(ModelConfig config, KvFormat kv) => string.Create(
        CultureInfo.InvariantCulture,
        $"{Policy} {typeof(AutoAttention).Assembly.GetName().Version} {Processor.Name} "
            + $"{string.Join('+', Processor.InstructionSets)} {kv} {config.HeadCount / config.KvHeadCount}x{config.HeadDim}");

    private static PolicySpec SparseFrom(int tokens) =>
        PolicyCatalog.Spec(Policy).With(ExactZones.MinContextName, tokens.ToString(CultureInfo.InvariantCulture));

    private static string File() => Environment.GetEnvironmentVariable(FileVariable) is { Length: > 0 } named ? named : Path.Combine(
        Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify),
        "kvasir", "auto-attention.json");

    // A file that is missing or damaged costs a second of measuring.
    private static Dictionary<string, int> Read(string path)
    {
        var lengths = new Dictionary<string, int>();
        try
        {
            using var stored = JsonDocument.Parse(System.IO.File.ReadAllBytes(path));
            foreach (var length in stored.RootElement.EnumerateObject())
            {
                if (length.Value.TryGetInt32(out var tokens) && tokens >= 0)
                    lengths[length.Name] = tokens;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or InvalidOperationException)
        {
            lengths.Clear();
        }

        return lengths;
    }

    // Where nothing can be kept, it is measured every time.
    private static void Write(string path, Dictionary<string, int> lengths)
    {
        var partial = $"{path}.{Environment.ProcessId}";
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
            using (var stream = System.IO.File.Create(partial))
            {
                using var writer = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
                writer.WriteStartObject();
                foreach (var (key, tokens) in lengths)
                    writer.WriteNumber(key, tokens);
                writer.WriteEndObject();
            }

            System.IO.File.Move(partial, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Remove(partial);
        }
    }

    private static void Remove(string path)
    {
        try
        {
            System.IO.File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return;
        }
    }
}

/// <summary>What <see cref="AutoAttention"/> chose.</summary>
/// <param name="Attention">The policy and its options.</param>
/// <param name="SparseFrom">
/// The context length in tokens from which on attention is sparse; null where it is dense in every context the engine can have.
/// </param>
public sealed record AutoChoice(PolicySpec Attention, int? SparseFrom)
{
    /// <summary>For people.</summary>
    public override string ToString() => SparseFrom is { } tokens
        ? FormattableString.Invariant($"auto: dense below {tokens:N0} tokens, {Attention.Entry.Name} from there on")
        : "auto: dense";
}

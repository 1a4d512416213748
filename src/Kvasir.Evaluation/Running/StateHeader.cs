using System.Globalization;
using System.Security.Cryptography;

namespace Kvasir.Evaluation.Running;

/// <summary>The first line of a state file: everything that its results depend on.</summary>
/// <param name="Model">Name, shape and a digest of some of its weights.</param>
/// <param name="Tasks">With a digest of the file of those that have one.</param>
/// <param name="Audit">The share that is audited.</param>
public sealed record StateHeader(
    string Model, IReadOnlyList<string> Tasks, IReadOnlyList<int> Contexts,
    IReadOnlyList<string> Protocols, IReadOnlyList<string> Policies, int Samples, ulong Seed, string Kv,
    double Audit)
{
    private const int DigestRows = 16;
    private const int DigestLetters = 16;

    /// <exception cref="KvasirException">The file of a task cannot be read any more.</exception>
    public static StateHeader Of(EvaluationPlan plan, Model model)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(model);
        return new StateHeader(
            ModelText(model), [.. plan.Tasks.Select(TaskText)], plan.Contexts, [.. plan.Protocols.Select(static protocol => protocol.ToString())],
            [.. plan.Compared.Select(static policy => policy.Name)], plan.Samples, plan.Seed, plan.Kv.ToString(), plan.AuditShare);
    }

    /// <summary>What differs first from <paramref name="other"/>, in words; null where nothing does.</summary>
    public string? Difference(StateHeader other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return Fields.Zip(other.Fields).Where(static pair => pair.First.Value != pair.Second.Value)
            .Select(static pair => $"its {pair.First.Name} "
                + $"{(pair.First.Name is "tasks" or "contexts" or "protocols" or "policies" or "samples" ? "are" : "is")} "
                + $"{pair.First.Value}, not {pair.Second.Value}")
            .FirstOrDefault();
    }

    private (string Name, string Value)[] Fields =>
    [
        ("model", Model),
        ("tasks", string.Join(", ", Tasks)),
        ("contexts", string.Join(", ", Contexts)),
        ("protocols", string.Join(", ", Protocols)),
        ("policies", string.Join(", ", Policies)),
        ("samples", Samples.ToString(CultureInfo.InvariantCulture)),
        ("seed", Seed.ToString(CultureInfo.InvariantCulture)),
        ("KV type", Kv),
        ("audit share", Audit.ToString(CultureInfo.InvariantCulture)),
    ];

    private static string ModelText(Model model)
    {
        var (config, weights) = (model.Config, model.Weights);
        using var digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (var row = 0; row < Math.Min(DigestRows, config.VocabularySize); row++)
            digest.AppendData(weights.Embedding.Row(row));
        foreach (var factor in weights.OutputNorm)
            digest.AppendData(BitConverter.GetBytes(factor));
        return $"{config.Name} ({config.LayerCount} layers of {config.HeadCount}/{config.KvHeadCount} heads of {config.HeadDim}, "
            + $"{weights.Bytes} bytes, {Shown(digest.GetHashAndReset())})";
    }

    private static string TaskText(PlannedTask task)
    {
        string[] parts = [.. task.Settings.Length > 0 ? [task.Settings] : Array.Empty<string>(), .. task.Files.Select(FileText)];
        return parts.Length == 0 ? task.Name : $"{task.Name} ({string.Join(", ", parts)})";
    }

    private static string FileText(string path)
    {
        try
        {
            using var stream = File.OpenRead(path);
            return Shown(SHA256.HashData(stream));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new KvasirException(KvasirError.FileNotFound, $"{path}: {exception.Message}", exception);
        }
    }

    private static string Shown(byte[] digest) => Convert.ToHexString(digest)[..DigestLetters].ToLowerInvariant();
}

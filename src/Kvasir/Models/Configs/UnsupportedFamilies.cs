namespace Kvasir.Models.Configs;

/// <summary>What is said of a model that is not supported: why, where that is known, and which names of those that are look most like its own.</summary>
internal static class UnsupportedFamilies
{
    private const int NearestCount = 3;

    // By how the name begins.
    private static readonly (string Start, string Reason)[] Reasons =
    [
        ("mamba", "a state space"), ("falcon-h1", "a state space"), ("falcon_h1", "a state space"), ("granitehybrid", "a state space"),
        ("nemotron_h", "a state space"),
        ("jamba", "a state space"), ("lfm2", "a state space"), ("kimi-linear", "a state space"), ("plamo2", "a state space"), ("rwkv", "a state space"),
        ("qwen3next", "recurrent layers"), ("qwen3_next", "recurrent layers"), ("qwen35", "recurrent layers"), ("qwen3_5", "recurrent layers"),
        ("deepseek32", "learned sparse attention"), ("deepseek4", "learned sparse attention"), ("glm-dsa", "learned sparse attention"),
        ("minimax-m3", "learned sparse attention"), ("qwen4exp", "learned sparse attention"),
        ("deepseek", "latent attention"), ("mistral4", "latent attention"), ("minicpm3", "latent attention"),
        ("bloom", "ALiBi"), ("mpt", "ALiBi"), ("baichuan", "ALiBi"), ("refact", "ALiBi"),
        ("gemma3n", "embeddings of layers"), ("cohere2moe", "experts"),
        ("qwen2moe", "experts"), ("qwen2_moe", "experts"),
        ("glm4moe", "experts"), ("glm4_moe", "experts"), ("phimoe", "experts"),
        ("ernie4_5-moe", "experts"), ("ernie4_5_moe", "experts"), ("hunyuan-moe", "experts"), ("llama4", "experts"), ("grok", "experts"),
        ("llada", "diffusion"), ("dream", "diffusion"), ("bert", "an encoder"), ("t5", "an encoder"), ("mllama", "pictures"), ("llava", "pictures"),
    ];

    /// <summary>" (reason)", or nothing where none is known.</summary>
    public static string Because(string name) =>
        Array.Find(Reasons, reason => name.StartsWith(reason.Start, StringComparison.OrdinalIgnoreCase)) is { Reason: { } reason } ? $" ({reason})" : "";

    /// <summary>Those of the names that are most like this one, as text.</summary>
    public static string Nearest(string name, IEnumerable<string?> supported)
    {
        string[] known = [.. supported.OfType<string>()];
        var nearest = known.OrderByDescending(other => SharedStart(name, other)).ThenBy(other => Distance(name, other)).Take(NearestCount);
        return $"{string.Join(", ", nearest)} and {known.Length - NearestCount} others (docs/models.md)";
    }

    private static int SharedStart(string a, string b)
    {
        var length = 0;
        while (length < Math.Min(a.Length, b.Length) && char.ToLowerInvariant(a[length]) == char.ToLowerInvariant(b[length]))
            length++;
        return length;
    }

    // Levenshtein's, by one row; the name comes from a file and may be long.
    private static int Distance(string name, string known)
    {
        const int LongestName = 64;
        var a = name.Length > LongestName ? name[..LongestName] : name;
        var row = new int[known.Length + 1];
        for (var j = 0; j < row.Length; j++)
            row[j] = j;
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j < row.Length; j++)
            {
                var changed = diagonal + (a[i - 1] == known[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(changed, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[^1];
    }
}

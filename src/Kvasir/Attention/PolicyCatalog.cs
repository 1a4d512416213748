using Kvasir.Attention.Policies;

namespace Kvasir.Attention;

/// <summary>Every policy by name. The command line, the library and the conformance tests all read this table.</summary>
public static class PolicyCatalog
{
    private static readonly PolicyEntry[] Table =
    [
        new("dense", "every key and value is read; exact", "Vaswani et al. 2017, arXiv 1706.03762", "dense", static _ => new Dense(), []),
    ];

    public static IReadOnlyList<PolicyEntry> Entries => Table;

    /// <summary>The policy that a text such as <c>dense</c> or <c>name:key=value,key=value</c> names.</summary>
    /// <exception cref="KvasirException">The name, or a key, is unknown; the message lists the known ones.</exception>
    public static AttentionPolicy Parse(string text)
    {
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        var name = colon < 0 ? text : text[..colon];
        var entry = Array.Find(Table, e => e.Name == name) ?? throw new KvasirException(
            KvasirError.BadOption, $"attention policy '{name}' is unknown; known: {string.Join(", ", Table.Select(e => e.Name))}");
        return entry.Create(ParseOptions(entry, colon < 0 ? "" : text[(colon + 1)..]));
    }

    private static Dictionary<string, string> ParseOptions(PolicyEntry entry, string text)
    {
        var options = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var part in text.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = part.IndexOf('=', StringComparison.Ordinal);
            var key = equals < 0 ? part : part[..equals];
            if (equals < 0 || !entry.Options.Contains(key))
            {
                var known = entry.Options.Count == 0 ? "it has none" : $"known: {string.Join(", ", entry.Options)}";
                throw new KvasirException(KvasirError.BadOption, $"attention policy '{entry.Name}' has no option '{part}' of the form key=value; {known}");
            }

            options[key] = part[(equals + 1)..];
        }

        return options;
    }
}

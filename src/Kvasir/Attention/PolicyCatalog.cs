using Kvasir.Attention.Policies;

namespace Kvasir.Attention;

/// <summary>Every policy by name. The command line, the library and the conformance tests all read this table.</summary>
public static class PolicyCatalog
{
    private static readonly PolicyEntry[] Table =
    [
        Dense.Entry,
        MagicPig.Entry,
        Psa.Entry,
        Streaming.Entry,
        Longformer.Entry,
        SparseTransformer.Entry,
        TopK.Entry,
        TopP.Entry,
        Oracle.Entry,
        Quest.Entry,
        Guarded.Entry,
        H2O.Entry,
        Alisa.Entry,
        Loki.Entry,
    ];

    public static IReadOnlyList<PolicyEntry> Entries => Table;

    /// <summary>The policy that a text such as <c>dense</c> or <c>name:key=value,key=value</c> names.</summary>
    /// <exception cref="KvasirException">The name, or a key, is unknown, or a value is out of its range; the message says what is known or allowed.</exception>
    public static AttentionPolicy Parse(string text)
    {
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        var entry = Find(colon < 0 ? text : text[..colon]);
        return entry.Create(new PolicyValues(entry, colon < 0 ? "" : text[(colon + 1)..]));
    }

    /// <summary>A policy with more or fewer keys to read, from few to many: see <see cref="PolicyEntry.Sweep"/>.</summary>
    public static IReadOnlyList<AttentionPolicy> Sweep(AttentionPolicy policy)
    {
        ArgumentNullException.ThrowIfNull(policy);
        return EntryOf(policy).Sweep(policy);
    }

    /// <summary>The row that a policy was made from.</summary>
    public static PolicyEntry EntryOf(AttentionPolicy policy)
    {
        ArgumentNullException.ThrowIfNull(policy);
        return Find(policy.Name.Split(':')[0]);
    }

    private static PolicyEntry Find(string name) => Array.Find(Table, entry => entry.Name == name) ?? throw new KvasirException(
        KvasirError.BadOption, $"attention policy '{name}' is unknown; known: {string.Join(", ", Table.Select(entry => entry.Name))}");
}

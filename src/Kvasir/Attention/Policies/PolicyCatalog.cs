using System.Collections.Immutable;
using Kvasir.Attention.Dropping;

namespace Kvasir.Attention.Policies;

/// <summary>
/// Every policy by name. The command line, the library and the conformance tests all read this table. A policy of another assembly joins it by
/// <see cref="Register"/>, once, before it is named: the table belongs to the process, as encodings do.
/// </summary>
public static class PolicyCatalog
{
    private static ImmutableArray<PolicyEntry> _table =
    [
        Policies.Dense.Entry,
        MagicPig.Entry,
        Psa.Entry,
        Streaming.Entry,
        Longformer.Entry,
        SparseTransformer.Entry,
        TopK.Entry,
        TopP.Entry,
        Oracle.Entry,
        Quest.Entry,
        ClusterKV.Entry,
        Had.Entry,
        Guarded.Entry,
        H2O.Entry,
        SnapKV.Entry,
        PyramidKV.Entry,
        AdaKV.Entry,
        PrefixKV.Entry,
        DBudgetKV.Entry,
        XKV.Entry,
        KVMerger.Entry,
        ThinK.Entry,
        Alisa.Entry,
        Loki.Entry,
    ];

    /// <summary>The rows, in the order in which lists show them.</summary>
    public static IReadOnlyList<PolicyEntry> Entries => _table;

    /// <summary>The names, with commas between, for messages and help.</summary>
    public static string Names => string.Join(", ", _table.Select(static entry => entry.Name));

    /// <summary>Dense attention: the reference, and what an engine does when nobody says otherwise.</summary>
    public static AttentionPolicy Dense { get; } = new PolicySpec(Policies.Dense.Entry).Create();

    /// <summary>Adds a row at the end of the table. From any thread.</summary>
    /// <exception cref="ArgumentException">The name is taken, or is not a letter and then letters, digits and hyphens.</exception>
    public static void Register(PolicyEntry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        if (!PolicyText.IsName(entry.Name))
            throw new ArgumentException($"a policy's name is a letter and then letters, digits and hyphens, and '{entry.Name}' is not", nameof(entry));
        ImmutableInterlocked.Update(ref _table, static (table, added) => table.Any(other => other.Name == added.Name)
            ? throw new ArgumentException($"there is a policy '{added.Name}' already", nameof(entry))
            : table.Add(added), entry);
    }

    /// <summary>
    /// The policy that a text such as <c>dense</c> or <c>name:key=value,key=value</c> names, as a value; or two of these with a plus between, of which the
    /// first selects rows and the second drops them: <c>quest:share=0.1+streaming:recent=4096</c>.
    /// </summary>
    /// <exception cref="KvasirException">The name, or a key, is unknown, or a value is out of its range; the message says what is known or allowed.</exception>
    public static PolicySpec Spec(string text)
    {
        var parts = PolicyText.Parts(text);
        if (parts.Count > 2)
            throw new KvasirException(KvasirError.BadOption, $"attention policy '{text}' has {parts.Count} parts: one selects rows, one may drop them");
        return parts.Count == 1 ? Part(text) : Part(parts[0]).WithDrop(Part(parts[1]));
    }

    /// <summary>The policy that a text names, made.</summary>
    /// <exception cref="KvasirException">As of <see cref="Spec"/>, or what the policy needs is not there.</exception>
    public static AttentionPolicy Parse(string text) => Spec(text).Create();

    private static PolicySpec Part(string text)
    {
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        return PolicySpec.Parse(Find(colon < 0 ? text : text[..colon]), colon < 0 ? "" : text[(colon + 1)..]);
    }

    private static PolicyEntry Find(string name) => _table.FirstOrDefault(entry => entry.Name == name)
        ?? throw new KvasirException(KvasirError.BadOption, $"attention policy '{name}' is unknown; known: {Names}");
}

using System.Globalization;

namespace Kvasir.Attention;

/// <summary>
/// A policy as a value: a row of the catalogue and the options that somebody set, and behind a plus another that drops rows beside it. It is immutable, and
/// equal to any other that makes the same policy. Text is parsed where it enters (<see cref="Kvasir.Attention.Policies.PolicyCatalog.Spec"/>) and printed where
/// it leaves (<see cref="ToString"/>); in between nobody looks into it.
/// </summary>
public sealed class PolicySpec : IEquatable<PolicySpec>
{
    internal const string NoLayers = "none";

    private readonly Dictionary<string, string> _set;
    private readonly string _text;

    /// <summary>A policy with the default of every option.</summary>
    public PolicySpec(PolicyEntry entry)
        : this(entry ?? throw new ArgumentNullException(nameof(entry)), new Dictionary<string, string>(StringComparer.Ordinal))
    {
    }

    private PolicySpec(PolicyEntry entry, Dictionary<string, string> set, PolicySpec? drop = null)
    {
        (Entry, _set, Drop) = (entry, set, drop);
        var changed = entry.Options.Where(option => Of(option.Name) != option.Default).Select(option => $"{option.Name}={Of(option.Name)}").ToArray();
        _text = (changed.Length == 0 ? entry.Name : $"{entry.Name}:{string.Join(",", changed)}") + (drop is null ? "" : $"{PolicyText.Plus}{drop}");
    }

    /// <summary>The row of the catalogue.</summary>
    public PolicyEntry Entry { get; }

    /// <summary>What drops rows where this one selects: the part behind the plus. Null where there is none, and the policy decides of both.</summary>
    public PolicySpec? Drop { get; }

    /// <summary>The name of a policy without its options, and of both parts where there are two, taken from how it was printed.</summary>
    public static string Family(string printed) => string.Join(PolicyText.Plus, PolicyText.Parts(printed).Select(static part => part.Split(':')[0]));

    /// <summary>Whether somebody set the option, if only to its default; of two parts the one that selects is asked.</summary>
    public bool Sets(string name) => _set.ContainsKey(name);

    /// <summary>Whether the policy has an option of this name.</summary>
    public bool Takes(string name) => Find(name) is not null;

    /// <summary>The same with one option set, or set anew.</summary>
    /// <exception cref="KvasirException">The policy has no such option, or the value is out of its range.</exception>
    public PolicySpec With(string name, string value)
    {
        ArgumentNullException.ThrowIfNull(value);
        var option = Find(name) ?? throw Unknown(name);
        if (!option.Accepts(value))
            throw Refusal($"takes {option.Name} {option.Bounds}, not '{value}'");
        return new PolicySpec(Entry, new Dictionary<string, string>(_set, StringComparer.Ordinal) { [name] = value }, Drop);
    }

    /// <summary>The same, with rows dropped by another policy; null for none.</summary>
    /// <exception cref="KvasirException">That one has a second part itself.</exception>
    public PolicySpec WithDrop(PolicySpec? drop)
    {
        if (drop?.Drop is not null)
        {
            throw new KvasirException(
                KvasirError.BadOption, $"attention policy '{this}{PolicyText.Plus}{drop}' has more than two parts: one selects rows, one drops them");
        }

        return new PolicySpec(Entry, _set, drop);
    }

    /// <summary>The same at another budget.</summary>
    /// <exception cref="KvasirException">The policy lacks one of its options, or a value is out of its range.</exception>
    public PolicySpec With(PolicyBudget budget)
    {
        ArgumentNullException.ThrowIfNull(budget);
        return budget.Settings.Aggregate(this, static (spec, setting) => spec.With(setting.Name, setting.Text));
    }

    /// <summary>The same at each of the budgets of its row, from few keys read to many; itself alone where there are none.</summary>
    public IReadOnlyList<PolicySpec> Sweep() => Entry.Budgets.Count == 0 ? [this] : [.. Entry.Budgets.Select(With)];

    /// <summary>Makes the policy.</summary>
    /// <exception cref="KvasirException">
    /// What the policy needs, such as a file, is not there, or its parts do not go together; the message names both.
    /// </exception>
    public AttentionPolicy Create() => Drop is null ? Entry.Create(this) : new PairedPolicy(this);

    /// <summary>A number of an option made by <see cref="PolicyOption.Whole"/>.</summary>
    public int Whole(string name) => int.Parse(Of(name), CultureInfo.InvariantCulture);

    /// <summary>A number of an option made by <see cref="PolicyOption.Real"/>.</summary>
    public float Real(string name) => float.Parse(Of(name), CultureInfo.InvariantCulture);

    /// <summary>A word of an option made by <see cref="PolicyOption.Choice"/>, as a value of an enumeration with those names.</summary>
    public T Choice<T>(string name)
        where T : struct, Enum => Enum.Parse<T>(Of(name).Replace("-", "", StringComparison.Ordinal), ignoreCase: true);

    /// <summary>The value of any option as text.</summary>
    public string Word(string name) => Of(name);

    /// <summary>Whether an option has this value.</summary>
    public bool Is(string name, string word) => Of(name) == word;

    /// <summary>Indexes of an option made by <see cref="PolicyOption.Layers"/>.</summary>
    public IReadOnlySet<int> Layers(string name) =>
        Of(name) == NoLayers ? new HashSet<int>() : Of(name).Split('+').Select(static layer => int.Parse(layer, CultureInfo.InvariantCulture)).ToHashSet();

    /// <summary>The name and the options that differ from their defaults, as they would be typed.</summary>
    public override string ToString() => _text;

    public bool Equals(PolicySpec? other) => other is not null && ReferenceEquals(other.Entry, Entry) && other._text == _text;

    public override bool Equals(object? obj) => Equals(obj as PolicySpec);

    public override int GetHashCode() => StringComparer.Ordinal.GetHashCode(_text);

    /// <summary>The spec that <paramref name="options"/>, as key=value,key=value, set beside the defaults of <paramref name="entry"/>.</summary>
    /// <exception cref="KvasirException">A key is unknown or comes twice, or a value is out of its range.</exception>
    internal static PolicySpec Parse(PolicyEntry entry, string options)
    {
        var spec = new PolicySpec(entry);
        foreach (var part in options.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = part.IndexOf('=', StringComparison.Ordinal);
            if (equals < 0)
                throw spec.Unknown(part);
            if (spec.Find(part[..equals]) is null)
                throw spec.Unknown(part);
            if (spec.Sets(part[..equals]))
                throw spec.Refusal($"is given {part[..equals]} twice");
            spec = spec.With(part[..equals], part[(equals + 1)..]);
        }

        return spec;
    }

    private string Of(string name) => _set.TryGetValue(name, out var set) ? set : Find(name)!.Default;

    private PolicyOption? Find(string name) => Entry.Options.FirstOrDefault(option => option.Name == name);

    private KvasirException Unknown(string part) => Refusal(
        $"has no option '{part}' of the form key=value; "
            + $"{(Entry.Options.Count == 0 ? "it has none" : $"known: {string.Join(", ", Entry.Options.Select(static o => o.Name))}")}");

    private KvasirException Refusal(string what) => new(KvasirError.BadOption, $"attention policy '{Entry.Name}' {what}");
}

using System.Globalization;

namespace Kvasir.Attention;

/// <summary>The options of one policy as somebody typed them, checked, and the defaults of the others.</summary>
public sealed class PolicyValues
{
    internal const string NoLayers = "none";

    private readonly PolicyEntry _entry;
    private readonly Dictionary<string, string> _typed = new(StringComparer.Ordinal);

    /// <param name="entry">Whose options they are.</param>
    /// <param name="text">As key=value,key=value; empty for the defaults.</param>
    /// <exception cref="KvasirException">A key is unknown or comes twice, or a value is out of its range.</exception>
    internal PolicyValues(PolicyEntry entry, string text)
    {
        _entry = entry;
        foreach (var part in text.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = part.IndexOf('=', StringComparison.Ordinal);
            var option = equals < 0 ? null : Find(part[..equals]);
            if (option is null)
            {
                var known = entry.Options.Count == 0 ? "it has none" : $"known: {string.Join(", ", entry.Options.Select(static o => o.Name))}";
                throw Refusal($"has no option '{part}' of the form key=value; {known}");
            }

            var value = part[(equals + 1)..];
            if (!option.Accepts(value))
                throw Refusal($"takes {option.Name} {option.Range}, not '{value}'");
            if (!_typed.TryAdd(option.Name, value))
                throw Refusal($"is given {option.Name} twice");
        }
    }

    /// <summary>The policy's name with the options that differ from their defaults, as it would be typed.</summary>
    public string Text
    {
        get
        {
            var changed = _entry.Options.Where(option => Of(option.Name) != option.Default).Select(option => $"{option.Name}={Of(option.Name)}").ToArray();
            return changed.Length == 0 ? _entry.Name : $"{_entry.Name}:{string.Join(",", changed)}";
        }
    }

    public int Whole(string name) => int.Parse(Of(name), CultureInfo.InvariantCulture);

    public float Real(string name) => float.Parse(Of(name), CultureInfo.InvariantCulture);

    /// <summary>One of the words that the option allows, as a value of an enumeration with those names.</summary>
    public T Choice<T>(string name)
        where T : struct, Enum => Enum.Parse<T>(Of(name).Replace("-", "", StringComparison.Ordinal), ignoreCase: true);

    /// <summary>What was typed.</summary>
    public string Word(string name) => Of(name);

    /// <summary>Whether an option that is one of a few words is <paramref name="word"/>.</summary>
    public bool Is(string name, string word) => Of(name) == word;

    public IReadOnlySet<int> Layers(string name) =>
        Of(name) == NoLayers ? new HashSet<int>() : Of(name).Split('+').Select(static layer => int.Parse(layer, CultureInfo.InvariantCulture)).ToHashSet();

    private string Of(string name) => _typed.TryGetValue(name, out var typed) ? typed : Find(name)!.Default;

    private PolicyOption? Find(string name) => _entry.Options.FirstOrDefault(option => option.Name == name);

    private KvasirException Refusal(string what) => new(KvasirError.BadOption, $"attention policy '{_entry.Name}' {what}");
}

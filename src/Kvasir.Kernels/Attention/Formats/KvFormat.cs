using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;

namespace Kvasir.Kernels.Attention.Formats;

/// <summary>
/// How keys and values are stored in the cache: a row of the table that the engine, the command line, documents and tests read, or keys of one row with
/// values of another. A format of another assembly joins the table by <see cref="Register"/>, once, before it is named: the table belongs to the process.
/// </summary>
/// <param name="Name">Of letters, digits and hyphens; or keys=NAME,values=NAME.</param>
/// <param name="Help">What it is, in a few words, for lists of formats.</param>
/// <param name="Keys">How keys are stored.</param>
/// <param name="Values">How values are stored.</param>
public sealed record KvFormat(string Name, string Help, RowCodec Keys, RowCodec Values)
{
    private const string KeysName = "keys";
    private const string ValuesName = "values";
    private static ImmutableArray<KvFormat> _table = [];

    /// <summary>The default.</summary>
    public static KvFormat BF16 { get; } = Add(new("bf16", "2 bytes an element", RowCodec.BF16, RowCodec.BF16));

    public static KvFormat Q8 { get; } = Add(new("q8", "half of that, nearly exact", RowCodec.Q8, RowCodec.Q8));

    [SuppressMessage("Naming", "CA1720", Justification = "It is the name of the format.")]
    public static KvFormat Int8 { get; } = Add(new(
        "int8", "keys by channel, which outliers do not harm, values by token", RowCodec.Int8Channel, RowCodec.Int8));

    public static KvFormat Int8Channel { get; } = Add(new("int8-channel", "both by channel", RowCodec.Int8Channel, RowCodec.Int8Channel));

    /// <summary>KIVI (arXiv 2402.02750) in 4 bits.</summary>
    public static KvFormat Kivi4 { get; } = Add(new(
        "kivi4", "KIVI, 4 bits: keys by channel, values by token, the newest 128 rows as bf16", RowCodec.Kivi4Channel, RowCodec.Kivi4));

    /// <summary>The same in 2 bits.</summary>
    public static KvFormat Kivi2 { get; } = Add(new("kivi2", "the same in 2 bits", RowCodec.Kivi2Channel, RowCodec.Kivi2));

    /// <summary>QuantSpec (arXiv 2502.10424): what a draft reads of it is <see cref="Kivi4"/>.</summary>
    public static KvFormat QuantSpec { get; } = Add(new(
        "quantspec", "QuantSpec: 8 bits in two planes, of which guesses (--self-draft) read one; the newest 128 to 255 rows as bf16",
        RowCodec.QuantSpecChannel, RowCodec.QuantSpec));

    public static KvFormat F32 { get; } = Add(new("f32", "the reference", RowCodec.F32, RowCodec.F32));

    /// <summary>The rows, in the order in which lists show them.</summary>
    public static IReadOnlyList<KvFormat> Table => _table;

    /// <summary>The names, for messages: a, b or c.</summary>
    public static string Names => $"{string.Join(", ", _table.SkipLast(1).Select(static row => row.Name))} or {_table[^1].Name}";

    /// <summary>Adds a row at the end of the table. From any thread.</summary>
    /// <exception cref="ArgumentException">The name is taken, or has other characters than letters, digits and hyphens.</exception>
    public static void Register(KvFormat format)
    {
        ArgumentNullException.ThrowIfNull(format);
        if (format.Name.Length == 0 || !format.Name.All(static c => char.IsAsciiLetterOrDigit(c) || c == '-'))
            throw new ArgumentException($"a format's name has letters, digits and hyphens, and '{format.Name}' has others or none", nameof(format));
        ImmutableInterlocked.Update(ref _table, static (table, added) => table.Any(other => other.Name == added.Name)
            ? throw new ArgumentException($"there is a format '{added.Name}' already", nameof(format))
            : table.Add(added), format);
    }

    /// <summary>The format that a text names, NAME or keys=NAME,values=NAME, in letters of any case; null for any other text.</summary>
    public static KvFormat? Find(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (!text.Contains('=', StringComparison.Ordinal))
            return _table.FirstOrDefault(row => row.Name.Equals(text, StringComparison.OrdinalIgnoreCase));
        return text.Split(',') is [var first, var second] && Part(first, KeysName) is { } keys && Part(second, ValuesName) is { } values
            ? Pair(keys, values)
            : null;
    }

    /// <summary>Keys as one format stores them, values as another does: the row of the table that does both, if there is one.</summary>
    public static KvFormat Pair(KvFormat keys, KvFormat values)
    {
        ArgumentNullException.ThrowIfNull(keys);
        ArgumentNullException.ThrowIfNull(values);
        if (_table.FirstOrDefault(row => row.Keys == keys.Keys && row.Values == values.Values) is { } row)
            return row;
        var (key, value) = (_table.FirstOrDefault(row => row.Keys == keys.Keys) ?? keys, _table.FirstOrDefault(row => row.Values == values.Values) ?? values);
        return new($"{KeysName}={key.Name},{ValuesName}={value.Name}", $"keys as {key.Name}, values as {value.Name}", keys.Keys, values.Values);
    }

    /// <summary>
    /// Where the number of rows is a multiple of this, older ones begin to be read as they are stored (<see cref="RowCodec.HalfRows"/>): guesses do not go
    /// beyond. 0 for a format to which that does not matter.
    /// </summary>
    public int HalfRows => Math.Max(Keys.HalfRows, Values.HalfRows);

    /// <summary>A page of <paramref name="pageTokens"/> keys and as many values of <paramref name="dim"/> elements.</summary>
    public PageLayout Page(int dim, int pageTokens) => new(this, dim, dim, pageTokens);

    public override string ToString() => Name;

    private static KvFormat? Part(string text, string name) =>
        text.StartsWith(name + "=", StringComparison.OrdinalIgnoreCase) && text.IndexOf('=', name.Length + 1) < 0 ? Find(text[(name.Length + 1)..]) : null;

    private static KvFormat Add(KvFormat row)
    {
        _table = _table.Add(row);
        return row;
    }
}

using System.Runtime.Intrinsics;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Sampling;

public delegate void AddEntriesFunc(float factor, ReadOnlySpan<float> pattern, Span<float> entries);

public delegate void RoundEntriesFunc(ReadOnlySpan<float> entries, float factor, int limit, Span<byte> tables);

/// <summary>Tables of <see cref="CodeScan"/>, made of what each number says in floats.</summary>
public static class CodeTables
{
    public static readonly Variant<AddEntriesFunc>[] AddVariants =
        [new("scalar", true, AddScalar), new(PortableVector.Name, PortableVector.IsSupported, AddWide)];

    public static readonly Variant<RoundEntriesFunc>[] RoundVariants =
        [new("scalar", true, RoundScalar), new(PortableVector.Name, PortableVector.IsSupported, RoundWide)];

    /// <summary>entries += factor * pattern, rounded twice.</summary>
    /// <param name="pattern">[<see cref="CodeScan.TableEntries"/>]</param>
    /// <param name="entries">As many.</param>
    public static void Add(float factor, ReadOnlySpan<float> pattern, Span<float> entries)
    {
        if (PortableVector.IsSupported)
            AddWide(factor, pattern, entries);
        else
            AddScalar(factor, pattern, entries);
    }

    /// <summary>Rounds what each entry is above the least of its table, times a factor, to bytes from 0 to a limit. A NaN becomes 0.</summary>
    /// <param name="entries">[tables, <see cref="CodeScan.TableEntries"/>]</param>
    /// <param name="limit">At most 255.</param>
    /// <param name="tables">As many bytes.</param>
    public static void Round(ReadOnlySpan<float> entries, float factor, int limit, Span<byte> tables)
    {
        if (PortableVector.IsSupported)
            RoundWide(entries, factor, limit, tables);
        else
            RoundScalar(entries, factor, limit, tables);
    }

    /// <summary>The least entry of a table.</summary>
    /// <param name="entries">At least <see cref="CodeScan.TableEntries"/>, of which those are looked at.</param>
    public static float Least(ReadOnlySpan<float> entries)
    {
        var half = Vector256.Min(Vector256.Create(entries), Vector256.Create(entries[Vector256<float>.Count..]));
        var quarter = Vector128.Min(half.GetLower(), half.GetUpper());
        return MathF.Min(MathF.Min(quarter[0], quarter[1]), MathF.Min(quarter[2], quarter[3]));
    }

    private static void AddScalar(float factor, ReadOnlySpan<float> pattern, Span<float> entries)
    {
        RequireTables(pattern.Length, entries.Length, 1);
        for (var i = 0; i < entries.Length; i++)
            entries[i] += factor * pattern[i];
    }

    private static void AddWide(float factor, ReadOnlySpan<float> pattern, Span<float> entries)
    {
        RequireTables(pattern.Length, entries.Length, 1);
        (Vector512.Create<float>(entries) + (Vector512.Create(factor) * Vector512.Create(pattern))).CopyTo(entries);
    }

    private static void RoundScalar(ReadOnlySpan<float> entries, float factor, int limit, Span<byte> tables)
    {
        RequireTables(entries.Length, tables.Length, tables.Length / CodeScan.TableEntries);
        for (var at = 0; at < entries.Length; at += CodeScan.TableEntries)
        {
            var least = Least(entries[at..]);
            for (var i = at; i < at + CodeScan.TableEntries; i++)
                tables[i] = (byte)Math.Min(Math.Max((int)(((entries[i] - least) * factor) + 0.5f), 0), limit);
        }
    }

    private static void RoundWide(ReadOnlySpan<float> entries, float factor, int limit, Span<byte> tables)
    {
        RequireTables(entries.Length, tables.Length, tables.Length / CodeScan.TableEntries);
        var (factors, limits) = (Vector512.Create(factor), Vector512.Create(limit));
        for (var at = 0; at < entries.Length; at += CodeScan.TableEntries)
        {
            var above = Vector512.Create(entries[at..]) - Vector512.Create(Least(entries[at..]));
            var whole = Vector512.ConvertToInt32((above * factors) + Vector512.Create(0.5f));
            var bytes = Vector512.Min(Vector512.Max(whole, Vector512<int>.Zero), limits).AsUInt32();
            var words = Vector256.Narrow(bytes.GetLower(), bytes.GetUpper());
            Vector128.Narrow(words.GetLower(), words.GetUpper()).CopyTo(tables[at..]);
        }
    }

    private static void RequireTables(int length, int others, int count)
    {
        Lengths.RequireEqual(length, count * CodeScan.TableEntries, nameof(length));
        Lengths.RequireEqual(others, count * CodeScan.TableEntries, nameof(others));
    }
}

using System.Buffers;

namespace Kvasir.Text;

/// <summary>Turns merges that name pieces into rules that name ids.</summary>
internal sealed class MergeRules(Dictionary<string, int> ids)
{
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _ids = ids.GetAlternateLookup<ReadOnlySpan<char>>();

    /// <summary>Reads "left right". The blank is looked for from the second character on, since a left piece may itself be a blank.</summary>
    /// <returns>Null, or what is wrong with the merge.</returns>
    public string? TryRead(ReadOnlySpan<char> text, out MergeRule rule)
    {
        rule = default;
        var blank = text.Length > 1 ? text[1..].IndexOf(' ') + 1 : 0;
        return blank == 0 ? "is not two pieces with a blank between" : TryRead(text[..blank], text[(blank + 1)..], out rule);
    }

    /// <inheritdoc cref="TryRead(ReadOnlySpan{char}, out MergeRule)"/>
    public string? TryRead(ReadOnlySpan<char> left, ReadOnlySpan<char> right, out MergeRule rule)
    {
        rule = default;
        if (!_ids.TryGetValue(left, out var leftId))
            return "names a left piece that is not in the vocabulary";
        if (!_ids.TryGetValue(right, out var rightId))
            return "names a right piece that is not in the vocabulary";
        var joined = ArrayPool<char>.Shared.Rent(left.Length + right.Length);
        left.CopyTo(joined);
        right.CopyTo(joined.AsSpan(left.Length));
        var known = _ids.TryGetValue(joined.AsSpan(0, left.Length + right.Length), out var resultId);
        ArrayPool<char>.Shared.Return(joined);
        rule = new MergeRule(leftId, rightId, resultId);
        return known ? null : "makes a piece that is not in the vocabulary";
    }
}

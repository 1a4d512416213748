using System.Buffers;
using System.Globalization;
using System.Text;

namespace Kvasir.Text.Tokenizers;

/// <summary>Finds added tokens: a trie behind a vectorised search for their first characters.</summary>
internal sealed class AddedTokenMatcher
{
    private readonly Dictionary<(int Node, char Next), int> _edges = [];

    private readonly List<AddedToken?> _ends = [null];      // by node; node 0 is the root

    private readonly SearchValues<char> _firsts;

    private readonly bool _longestFirst;

    /// <param name="tokens">Tokens with the texts to look for; empty texts are left out.</param>
    /// <param name="longestFirst">Settles overlaps by length over the whole text instead of from left to right.</param>
    public AddedTokenMatcher(IEnumerable<(string Text, AddedToken Token)> tokens, bool longestFirst)
    {
        var firsts = new HashSet<char>();
        foreach (var (text, token) in tokens)
        {
            if (text.Length == 0)
                continue;
            firsts.Add(text[0]);
            Add(text, token);
        }
        _firsts = SearchValues.Create([.. firsts]);
        _longestFirst = longestFirst;
    }

    /// <summary>Fills <paramref name="matches"/> in the order of the text, without overlaps. Special tokens count only in <paramref name="places"/>.</summary>
    public void Find(ReadOnlySpan<char> text, ControlPlaces places, List<AddedTokenMatch> matches)
    {
        matches.Clear();
        if (_edges.Count == 0)
            return;
        if (_longestFirst)
            FindLongestFirst(text, places, matches);
        else
            FindLeftmost(text, places, matches);
    }

    private void Add(string text, AddedToken token)
    {
        var node = 0;
        foreach (var c in text)
        {
            if (!_edges.TryGetValue((node, c), out var next))
            {
                next = _ends.Count;
                _ends.Add(null);
                _edges.Add((node, c), next);
            }
            node = next;
        }
        _ends[node] ??= token;
    }

    private void FindLeftmost(ReadOnlySpan<char> text, ControlPlaces places, List<AddedTokenMatch> matches)
    {
        var i = 0;
        var free = 0;          // where the last match ends
        while (NextFirst(text, ref i))
        {
            var (end, token) = Longest(text, i, places);
            if (token is null)
            {
                i++;
                continue;
            }
            var start = i;
            i = end;
            if (token.SingleWord && (IsWordBefore(text, start) || IsWordAt(text, end)))
                continue;
            if (token.StripsLeft)
                start = Math.Max(free, text[..start].TrimEnd().Length);
            if (token.StripsRight)
                end = text.Length - text[end..].TrimStart().Length;
            matches.Add(new AddedTokenMatch(Math.Max(start, free), end, token));
            i = free = end;
        }
    }

    private (int End, AddedToken? Token) Longest(ReadOnlySpan<char> text, int start, ControlPlaces places)
    {
        var node = 0;
        var end = start;
        AddedToken? found = null;
        for (var i = start; i < text.Length && _edges.TryGetValue((node, text[i]), out node); i++)
        {
            if (_ends[node] is { } token && (!token.Special || places.Allow(start, i + 1)))
                (end, found) = (i + 1, token);
        }
        return (end, found);
    }

    private void FindLongestFirst(ReadOnlySpan<char> text, ControlPlaces places, List<AddedTokenMatch> matches)
    {
        for (var i = 0; NextFirst(text, ref i); i++)
        {
            var node = 0;
            for (var k = i; k < text.Length && _edges.TryGetValue((node, text[k]), out node); k++)
            {
                if (_ends[node] is { } token && (!token.Special || places.Allow(i, k + 1)))
                    matches.Add(new AddedTokenMatch(i, k + 1, token));
            }
        }
        if (Overlap(matches))
            KeepLongest(text, matches);
    }

    private static bool Overlap(List<AddedTokenMatch> matches)
    {
        for (var i = 1; i < matches.Count; i++)
        {
            if (matches[i].Start < matches[i - 1].End)
                return true;
        }
        return false;
    }

    private static void KeepLongest(ReadOnlySpan<char> text, List<AddedTokenMatch> matches)
    {
        var candidates = matches.ToArray();
        Array.Sort(candidates, static (a, b) =>
            (Encoding.UTF8.GetByteCount(b.Token.Text), a.Token.Id, a.Start).CompareTo((Encoding.UTF8.GetByteCount(a.Token.Text), b.Token.Id, b.Start)));
        var taken = new bool[text.Length];
        matches.Clear();
        foreach (var match in candidates)
        {
            var place = taken.AsSpan(match.Start, match.End - match.Start);
            if (place.Contains(true))
                continue;
            place.Fill(true);
            matches.Add(match);
        }
        matches.Sort(static (a, b) => a.Start.CompareTo(b.Start));
    }

    private bool NextFirst(ReadOnlySpan<char> text, ref int index)
    {
        var step = index < text.Length ? text[index..].IndexOfAny(_firsts) : -1;
        index += Math.Max(step, 0);
        return step >= 0;
    }

    private static bool IsWordBefore(ReadOnlySpan<char> text, int index) =>
        Rune.DecodeLastFromUtf16(text[..index], out var rune, out _) == OperationStatus.Done && IsWord(rune);

    private static bool IsWordAt(ReadOnlySpan<char> text, int index) =>
        Rune.DecodeFromUtf16(text[index..], out var rune, out _) == OperationStatus.Done && IsWord(rune);

    private static bool IsWord(Rune rune) => Rune.IsLetter(rune) || Rune.GetUnicodeCategory(rune) is
        UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark or
        UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.ConnectorPunctuation;
}

/// <summary>Where an added token stands in a text: [Start, End) in UTF-16 units, with the white space that it strips.</summary>
internal readonly record struct AddedTokenMatch(int Start, int End, AddedToken Token);

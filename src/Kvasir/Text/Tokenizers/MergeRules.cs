using System.Buffers;
using Kvasir.Files;

namespace Kvasir.Text.Tokenizers;

/// <summary>Turns merges that name pieces into rules that name ids. A merge that is none, or of pieces that are not there, has no effect.</summary>
internal sealed class MergeRules(Dictionary<string, int> ids)
{
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _ids = ids.GetAlternateLookup<ReadOnlySpan<char>>();
    private readonly List<MergeRule> _rules = [];
    private int _droppedCount;
    private string _firstDropped = "";

    /// <summary>Takes "left right", best first. The blank is looked for from the second character on, since a left piece may itself be a blank.</summary>
    public void Add(ReadOnlySpan<char> text)
    {
        var blank = text.Length > 1 ? text[1..].IndexOf(' ') + 1 : 0;
        if (blank == 0)
            Drop(text, "is not two pieces with a blank between");
        else
            Add(text[..blank], text[(blank + 1)..]);
    }

    public void Add(ReadOnlySpan<char> left, ReadOnlySpan<char> right)
    {
        if (!_ids.TryGetValue(left, out var leftId))
            Drop(left, "is a left piece that is not in the vocabulary");
        else if (!_ids.TryGetValue(right, out var rightId))
            Drop(right, "is a right piece that is not in the vocabulary");
        else
            AddJoined(left, right, leftId, rightId);
    }

    /// <summary>Takes note of a merge that cannot be one.</summary>
    public void Drop(ReadOnlySpan<char> what, string problem)
    {
        if (_droppedCount++ == 0)
            _firstDropped = $"{MessageText.Name(what.ToString())} at index {_rules.Count} {problem}";
    }

    /// <summary>All rules, best first; a note when there were others.</summary>
    /// <param name="place">File and key, for the note.</param>
    public MergeRule[] Finish(Notes notes, string place)
    {
        if (_droppedCount > 0)
            notes.Add($"{place} holds {_droppedCount} of {_rules.Count + _droppedCount} merges that have no effect: {_firstDropped}");
        return [.. _rules];
    }

    private void AddJoined(ReadOnlySpan<char> left, ReadOnlySpan<char> right, int leftId, int rightId)
    {
        var chars = ArrayPool<char>.Shared.Rent(left.Length + right.Length);
        left.CopyTo(chars);
        right.CopyTo(chars.AsSpan(left.Length));
        var joined = chars.AsSpan(0, left.Length + right.Length);
        if (_ids.TryGetValue(joined, out var resultId))
            _rules.Add(new MergeRule(leftId, rightId, resultId));
        else
            Drop(joined, "would be made, and is not in the vocabulary");
        ArrayPool<char>.Shared.Return(chars);
    }
}

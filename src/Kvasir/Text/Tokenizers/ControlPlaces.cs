using Kvasir.Jinja.Values;

namespace Kvasir.Text.Tokenizers;

/// <summary>Where in a text control tokens may be spelled: everywhere, nowhere, or in what a template wrote. Elsewhere their spelling is text.</summary>
internal readonly ref struct ControlPlaces
{
    private readonly bool _everywhere;

    private readonly ReadOnlySpan<char> _marks;

    public ControlPlaces(bool everywhere) => _everywhere = everywhere;

    /// <param name="marks">As in <see cref="MarkedText.Marks"/>; nothing for nowhere.</param>
    public ControlPlaces(ReadOnlySpan<char> marks) => _marks = marks;

    /// <summary>Neither everywhere nor nowhere.</summary>
    public bool IsMixed => !_everywhere && _marks.Contains(MarkedText.Own) && _marks.ContainsAnyExcept(MarkedText.Own);

    /// <summary>Whether a control token may stand at [start, end).</summary>
    public bool Allow(int start, int end) => _everywhere || (!_marks.IsEmpty && !_marks[start..end].ContainsAnyExcept(MarkedText.Own));

    /// <summary>The same for the part [start, end) of the text.</summary>
    public ControlPlaces Part(int start, int end) => _everywhere || _marks.IsEmpty ? this : new ControlPlaces(_marks[start..end]);

    /// <summary>The places in a text that was normalised as a whole.</summary>
    /// <param name="normalize">
    /// Makes <paramref name="normalized"/> of the whole text; of its beginning it makes the beginning, but for a character that composes.
    /// </param>
    public ControlPlaces After(ReadOnlySpan<char> text, ReadOnlySpan<char> normalized, Func<string, string> normalize)
    {
        if (!IsMixed)
            return new ControlPlaces(_everywhere || _marks.Contains(MarkedText.Own));
        var marks = new char[normalized.Length];
        for (int start = 0, end; start < text.Length; start = end)
        {
            var run = _marks[start..].IndexOfAnyExcept(_marks[start]);
            end = run < 0 ? text.Length : start + run;
            if (_marks[start] != MarkedText.Own)
                continue;
            var first = start == 0 ? 0 : normalize(text[..start].ToString()).Length;
            var last = normalized.CommonPrefixLength(normalize(text[..end].ToString()));
            if (first < last)
                marks.AsSpan(first, last - first).Fill(MarkedText.Own);
        }

        return new ControlPlaces(marks);
    }
}

using Kvasir.Cache;

namespace Kvasir.Attention.Marks;

/// <summary>A few numbers that steps teach a selector, and that rows alone do not tell. They come back with rows that were marked.</summary>
/// <param name="width">Numbers.</param>
/// <param name="initial">What they are before the first step.</param>
/// <param name="marks">Marks at a time.</param>
internal sealed class MarkedState(int width, float initial, int marks)
{
    private readonly float[] _values = Filled(width * (1 + marks), initial);
    private readonly MarkedRows _marks = new(marks);

    public ReadOnlySpan<float> Values => _values.AsSpan(0, width);

    /// <summary>The numbers, to be changed by a step with so many rows in sight.</summary>
    public Span<float> Learn(int rows)
    {
        _marks.Learn(rows);
        return _values.AsSpan(0, width);
    }

    public void EndPrompt(int rows) => _marks.EndPrompt(rows);

    public void Mark(int rows) => Values.CopyTo(Kept(_marks.Add(rows)));

    public void Truncate(int rows)
    {
        var slot = _marks.Truncate(rows);
        if (slot == MarkedRows.Anew)
            _values.AsSpan(0, width).Fill(initial);
        else if (slot != MarkedRows.Unchanged)
            Kept(slot).CopyTo(_values);
    }

    /// <inheritdoc cref="MarkedRows.Edited"/>
    public void Edited(RowEdit edit) => _marks.Edited(edit);

    private Span<float> Kept(int slot) => _values.AsSpan((1 + slot) * width, width);

    private static float[] Filled(int count, float value)
    {
        var values = new float[count];
        Array.Fill(values, value);
        return values;
    }
}

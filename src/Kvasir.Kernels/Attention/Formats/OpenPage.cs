namespace Kvasir.Kernels.Attention.Formats;

/// <summary>
/// What writes the keys or the values of one head, where a page's rows are stored together, or where the newest rows are kept beside them as they came.
/// Rows are in the page as soon as they were written: it alone says what they are to whoever has no more than the page.
/// </summary>
public abstract class OpenPage
{
    /// <summary>The newest rows as they came; null where nothing is kept of them that is read.</summary>
    internal virtual NewestRows? Newest => null;

    /// <summary>The first of them; the largest number there is for none.</summary>
    public int FirstNewest => Newest?.First ?? int.MaxValue;

    /// <summary>Stores a row, and those before it in its page anew where they share something.</summary>
    /// <param name="row">Its elements.</param>
    /// <param name="number">Of the row in its head; those before it in its page are stored there.</param>
    /// <param name="page">The whole page.</param>
    public abstract void Append(ReadOnlySpan<float> row, int number, Span<byte> page);

    /// <summary>Forgets the rows from <paramref name="rowCount"/> on. Others may be forgotten too, and are read back from their pages.</summary>
    public abstract void Truncate(int rowCount);

    /// <summary>
    /// Whole pages of rows were taken out: those at <paramref name="first"/> + <paramref name="count"/> have the number <paramref name="first"/>.
    /// </summary>
    public abstract void Move(int first, int count);

    /// <summary>Forgets rows of which the last are as they were written, or whole pages of rows: what lies behind those moves.</summary>
    /// <param name="rowCount">Rows of the head before.</param>
    public void Drop(int first, int count, int rowCount)
    {
        if (first + count == rowCount)
            Truncate(first);
        else
            Move(first, count);
    }
}

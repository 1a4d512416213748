using Kvasir.Attention.Heads;

namespace Kvasir.Attention.Audit;

/// <summary>What audits of one KV head found of candidates, until it is known which are taken back. Of fixed size; one worker at a time adds.</summary>
/// <param name="most">Comparisons of one step.</param>
/// <param name="group">Query heads of each.</param>
internal sealed class HeldComparisons(int most, int group)
{
    private readonly (int Row, int Layer, int RowsRead, int RowsInSight)[] _places = new (int, int, int, int)[most];
    private readonly float[] _errors = new float[most * group];
    private readonly float[] _masses = new float[most * group];
    private readonly int[] _rowsUsed = new int[most * group];

    public int Count { get; private set; }

    /// <param name="row">Of the candidate, behind the first row of its segment.</param>
    public void Add(int row, int layer, in ComparedHead head)
    {
        _places[Count] = (row, layer, head.RowsRead, head.RowsInSight);
        head.Errors.CopyTo(Of(_errors, Count));
        head.Masses.CopyTo(Of(_masses, Count));
        head.RowsUsed.CopyTo(Of(_rowsUsed, Count));
        Count++;
    }

    public (int Row, int Layer) Place(int index) => (_places[index].Row, _places[index].Layer);

    public ComparedHead Head(int index) => new(Of(_errors, index), Of(_masses, index), Of(_rowsUsed, index))
    {
        RowsRead = _places[index].RowsRead,
        RowsInSight = _places[index].RowsInSight,
    };

    public void Clear() => Count = 0;

    private Span<T> Of<T>(T[] values, int index) => values.AsSpan(index * group, group);
}

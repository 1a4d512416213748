using Kvasir.Ground;
using Kvasir.Kernels.Memory;

namespace Kvasir.Attention;

/// <summary>
/// Memory that selectors of one worker share: a few numbers for each row that a head can hold. Only what is used is ever touched.
/// </summary>
public sealed class SelectorScratch : IDisposable
{
    private const int FloatsPerRow = 2;
    private readonly NativeBuffer _memory;
    private readonly int _floats;
    private readonly int _rows;

    /// <param name="groupHeads">Query heads per KV head.</param>
    /// <param name="maxRows">The most rows that a head will hold.</param>
    public SelectorScratch(int groupHeads, int maxRows)
    {
        _rows = maxRows;
        _floats = checked(FloatsPerRow * maxRows + groupHeads * maxRows);
        _memory = NativeBuffer.Uninitialized(sizeof(float) * ((long)_floats + maxRows));
    }

    public long Bytes => _memory.Bytes;

    /// <summary>Up to a number for every query head of the group and every row, and two more for every row. What it holds at first is not defined.</summary>
    public Span<float> Floats(int count) => Elements<float>(0, count);

    /// <summary>The same memory as elements of another type.</summary>
    /// <param name="first">The float with which it begins: a multiple of an element's size.</param>
    public Span<T> Elements<T>(int first, int count)
        where T : unmanaged => _memory.View.Slice(0, (long)_floats * sizeof(float)).Span<T>(first * (long)sizeof(float), count);

    /// <summary>Up to one for every row, beside the floats.</summary>
    public Span<int> Whole(int count)
    {
        Invariant.Holds(count <= _rows);
        return _memory.View.Span<int>((long)_floats * sizeof(float), count);
    }

    public void Dispose() => _memory.Dispose();
}

using Kvasir.Kernels.Memory;

namespace Kvasir.Cache;

/// <summary>
/// What the indexes of a policy know of the last rows up to a column's end, of all layers and KV heads: kept with the column, for whoever has it next.
/// </summary>
/// <param name="policy">Whose indexes: two parts of one name have the same contents.</param>
/// <param name="rowCount">Rows that it is of: those of the column, or of some before it too.</param>
/// <param name="bytes">At least 1.</param>
internal sealed class IndexPart(PrefixColumn column, string policy, int rowCount, long bytes) : IDisposable
{
    private readonly NativeBuffer _memory = NativeBuffer.Uninitialized(bytes);

    public PrefixColumn Column => column;

    public int RowCount => rowCount;

    public long Bytes => bytes;

    public NativeView View => _memory.View;

    /// <summary>The next part of the same column.</summary>
    public IndexPart? NextOfColumn { get; set; }

    /// <summary>The part of an engine that was added before this one, of those that are there.</summary>
    public IndexPart? Older { get; set; }

    /// <summary>The part that was added after it.</summary>
    public IndexPart? Newer { get; set; }

    public bool IsOf(string name, int rows) => rowCount == rows && policy == name;

    public void Dispose() => _memory.Dispose();
}

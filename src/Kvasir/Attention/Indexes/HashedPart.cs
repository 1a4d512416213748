using Kvasir.Kernels.Memory;

namespace Kvasir.Attention.Indexes;

/// <summary>
/// Where the codes of some rows lie that one leaves to others: table by table, then one over the lengths of the keys, and behind those of the first rows the
/// mean that was taken off them.
/// </summary>
internal readonly ref struct HashedPart(NativeView memory, int tables, int rows, int dim)
{
    public int Rows => rows;

    /// <summary>[dim]: of the first rows alone.</summary>
    public Span<float> Mean => memory.Span<float>(Bytes(tables, rows), dim);

    /// <summary>[rows]</summary>
    public Span<float> InverseLengths => memory.Span<float>((long)tables * rows * sizeof(ushort), rows);

    public static long Bytes(int tables, int rows) => (long)rows * ((tables * sizeof(ushort)) + sizeof(float));

    /// <summary>Bytes of the first rows, with their mean.</summary>
    public static long FirstBytes(int tables, int rows, int dim) => Bytes(tables, rows) + (dim * sizeof(float));

    /// <summary>[rows]: codes in a table.</summary>
    public Span<ushort> Codes(int table) => memory.Span<ushort>((long)table * rows * sizeof(ushort), rows);
}

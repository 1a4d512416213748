namespace Kvasir.Kernels.Attention;

/// <summary>Where a product goes: rows of floats, <paramref name="stride"/> elements apart.</summary>
/// <param name="first">The first element.</param>
/// <param name="stride">Elements from one row to the next.</param>
/// <param name="isFresh">Whether what stands there is replaced; otherwise the product is added to it.</param>
internal readonly unsafe struct PanelTarget(float* first, int stride, bool isFresh)
{
    public readonly float* First = first;
    public readonly int Stride = stride;
    public readonly bool IsFresh = isFresh;

    public PanelTarget At(int row, int column) => new(First + (long)row * Stride + column, Stride, IsFresh);
}

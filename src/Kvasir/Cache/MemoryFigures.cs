namespace Kvasir.Cache;

/// <summary>Bytes that are taken from a <see cref="MemoryBudget"/>, by use.</summary>
public readonly record struct MemoryFigures(long PageBytes, long IndexBytes, long OpenPageBytes, long ScratchBytes)
{
    public long TotalBytes => PageBytes + IndexBytes + OpenPageBytes + ScratchBytes;
}

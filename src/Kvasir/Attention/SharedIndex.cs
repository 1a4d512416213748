namespace Kvasir.Attention;

/// <summary>What the indexes of all sequences under one policy share, and how many sequences use it.</summary>
internal sealed class SharedIndex(string policy, IDisposable? value, long bytes) : IDisposable
{
    public string Policy => policy;

    /// <summary>For <see cref="HeadPlace.Shared"/>; null when there is nothing to share.</summary>
    public IDisposable? Value => value;

    public long Bytes => bytes;

    /// <summary>Sequences that have selectors made with it.</summary>
    public int UseCount { get; set; }

    public void Dispose() => value?.Dispose();
}

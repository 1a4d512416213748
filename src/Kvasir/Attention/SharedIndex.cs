using Kvasir.Cache;
using Kvasir.Ground;

namespace Kvasir.Attention;

/// <summary>What the indexes of several sequences under one policy share, and how many of them use it.</summary>
/// <param name="owner">Told when nobody uses it any more.</param>
/// <param name="rows">Of which it is an index; null for what all sequences share.</param>
internal sealed class SharedIndex(SharedIndexes owner, string policy, PrefixPath? rows, IDisposable? value, long bytes) : IDisposable
{
    public string Policy => policy;

    public PrefixPath? Rows => rows;

    /// <summary>Null when there is nothing to share.</summary>
    public IDisposable? Value => value;

    public long Bytes => bytes;

    /// <summary>Sequences that have selectors made with it.</summary>
    public int UseCount { get; private set; }

    /// <summary>Whether nothing is left to be built.</summary>
    public bool IsComplete { get; private set; } = rows is null;

    /// <summary>Which of its users builds it, as long as it is not complete; null for nobody yet.</summary>
    private object? Builder { get; set; }

    public void Enter() => UseCount++;

    /// <summary>Whether a user is to build what is not complete: one of them alone.</summary>
    public bool IsBuiltBy(object user) => (Builder ??= user) == user;

    public void Complete() => (IsComplete, Builder) = (true, null);

    public void Leave(object user)
    {
        Builder = Builder == user ? null : Builder;
        UseCount--;
        owner.DropIdle(this);
    }

    public void Dispose() => value?.Dispose();
}

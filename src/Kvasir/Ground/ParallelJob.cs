namespace Kvasir;

/// <summary>Work that <see cref="WorkerPool"/> splits: an object made once and run many times, so that a step allocates nothing.</summary>
public abstract class ParallelJob
{
    /// <summary>Does item <paramref name="item"/>; <paramref name="worker"/> names the scratch that this call may use.</summary>
    public abstract void Execute(int item, int worker);
}

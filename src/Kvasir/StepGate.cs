namespace Kvasir;

/// <summary>While it is not disposed, nobody else steps the engine, or does what is done between steps.</summary>
internal readonly ref struct StepGate
{
    private readonly ref int _stepping;

    /// <param name="stepping">Of the engine: 1 while somebody is in.</param>
    /// <exception cref="InvalidOperationException">Somebody is.</exception>
    public StepGate(ref int stepping)
    {
        if (Interlocked.Exchange(ref stepping, 1) != 0)
            throw new InvalidOperationException("a step is in progress; one thread steps an engine, and no callback does");
        _stepping = ref stepping;
    }

    public void Dispose() => Volatile.Write(ref _stepping, 0);
}

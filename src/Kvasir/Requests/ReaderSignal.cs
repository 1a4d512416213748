using System.Diagnostics.CodeAnalysis;
using Kvasir.Ground;

namespace Kvasir.Requests;

/// <summary>Tells whoever reads an answer that there is more of it: a callback on the engine's thread, or one who waits.</summary>
/// <param name="told">Null where somebody waits.</param>
/// <param name="interruption">Has what the callback throws, which is the request's own fault.</param>
[SuppressMessage("Design", "CA1001", Justification = "A semaphore whose wait handle is never asked for holds nothing to release.")]
internal sealed class ReaderSignal(Action? told, Interruption interruption)
{
    private readonly SemaphoreSlim _signal = new(0);
    private int _toldTokens;

    public Action? Told => told;

    public Task WaitAsync(CancellationToken cancellation) => _signal.WaitAsync(cancellation);

    /// <summary>Tells, if there are more tokens than when it last did.</summary>
    public void SetBehind(int tokens)
    {
        if (tokens == _toldTokens)
            return;
        _toldTokens = tokens;
        Set();
    }

    public void Set()
    {
        if (told is null)
        {
            if (_signal.CurrentCount == 0)
                _signal.Release();
            return;
        }

        try
        {
            told();
        }
        catch (Exception fault)
        {
            interruption.MarkFault(fault);
        }
    }
}

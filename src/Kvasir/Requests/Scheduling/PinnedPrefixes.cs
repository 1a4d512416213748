using Kvasir.Cache;
using Kvasir.Files;

namespace Kvasir.Requests.Scheduling;

/// <summary>The pins of an engine, and what they may keep together.</summary>
internal sealed class PinnedPrefixes(PrefixCache cache, long mostBytes, TimeProvider time)
{
    private readonly List<PrefixPin> _pins = [];
    private readonly long _start = time.GetTimestamp();

    /// <summary>Refuses a prompt that may never be pinned, before it is computed.</summary>
    /// <exception cref="KvasirException">It has no whole column, or more bytes than may be pinned.</exception>
    public void Require(int promptTokens)
    {
        var columns = promptTokens / PagePool.PageTokens;
        if (columns == 0)
            throw new KvasirException(
                KvasirError.BadOption,
                $"a prompt of {MessageText.Count(promptTokens, "token")} cannot be pinned: at least {PagePool.PageTokens} are kept together");
        if (columns * cache.ColumnBytes > mostBytes)
            throw Refusal(promptTokens, columns * cache.ColumnBytes, mostBytes);
    }

    /// <summary>
    /// Keeps the prompt that a sequence shares with others, as soon as it has all columns of it. It is held to no bound: its owner has chosen it.
    /// </summary>
    public void TakeShared(Sequence sequence)
    {
        if (sequence is not { Shared: { } shared, Prefix: { IsEntered: true } own, Fault: null } || own.RowCount < shared.TokenCount)
            return;
        if (shared.FreePin() is { } pin)
            Hold(pin, own.Copy(sequence.Tokens[..shared.TokenCount]));
    }

    /// <summary>Lets a pin keep the columns that a sequence has by now, if they fit; the sequence fails if they do not.</summary>
    public void Take(Sequence sequence)
    {
        if (sequence is not { Pin: { Path: null, IsReleased: false } pin, Prefix: { IsEntered: true } own, Fault: null })
            return;
        var path = own.Copy(sequence.Tokens[..own.RowCount]);
        var (bytes, left) = (cache.BytesToPin(path), mostBytes - cache.PinnedBytes);
        if (bytes > left)
        {
            path.Leave();
            sequence.MarkFault(Refusal(sequence.PromptCount, bytes, left));
            return;
        }

        cache.Pin(path);
        Hold(pin, path);
    }

    /// <summary>Lets go what was released, and what has had its time, be it pinned or only kept.</summary>
    public void Sweep()
    {
        cache.Sweep((long)time.GetElapsedTime(_start).TotalMilliseconds);
        for (var i = _pins.Count - 1; i >= 0; i--)
        {
            if (!_pins[i].IsOver(time))
                continue;
            _pins[i].LetGo();
            _pins.RemoveAt(i);
        }
    }

    /// <summary>Lets all go.</summary>
    public void Clear()
    {
        foreach (var pin in _pins)
            pin.Release();
        Sweep();
    }

    private void Hold(PrefixPin pin, PrefixPath path)
    {
        pin.Hold(path, time);
        _pins.Add(pin);
    }

    private KvasirException Refusal(int tokens, long bytes, long left) => new(
        KvasirError.KvMemoryExceeded,
        $"to pin the prompt of {MessageText.Count(tokens, "token")} takes {bytes} bytes, and of the {mostBytes} that may be pinned {left} are left");
}

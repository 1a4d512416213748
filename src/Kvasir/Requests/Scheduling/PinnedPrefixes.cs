using Kvasir.Cache;
using Kvasir.Files;

namespace Kvasir.Requests.Scheduling;

/// <summary>The pins of an engine, and what they may keep together.</summary>
internal sealed class PinnedPrefixes(PrefixCache cache, long mostBytes, TimeProvider time)
{
    private readonly List<PrefixPin> _pins = [];

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

    /// <summary>Lets a pin keep the columns that a sequence has by now, if they fit; the sequence fails if they do not.</summary>
    public void Take(Sequence sequence)
    {
        if (sequence.Pin is not { Path: null, IsReleased: false } pin || sequence.Prefix is not { IsEntered: true } own || sequence.Fault is not null)
            return;
        var path = own.Copy(sequence.Tokens);
        var (bytes, left) = (cache.BytesToPin(path), mostBytes - cache.PinnedBytes);
        if (bytes > left)
        {
            path.Leave();
            sequence.MarkFault(Refusal(sequence.PromptCount, bytes, left));
            return;
        }

        cache.Pin(path);
        pin.Hold(path, time);
        _pins.Add(pin);
    }

    /// <summary>Lets go what was released, and what has had its time.</summary>
    public void Sweep()
    {
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

    private KvasirException Refusal(int tokens, long bytes, long left) => new(
        KvasirError.KvMemoryExceeded,
        $"to pin the prompt of {MessageText.Count(tokens, "token")} takes {bytes} bytes, and of the {mostBytes} that may be pinned {left} are left");
}

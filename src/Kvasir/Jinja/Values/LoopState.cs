namespace Kvasir.Jinja.Values;

/// <summary>
/// A running loop, as its body sees it by the name loop. The filter is asked as late as possible, since its answer may depend on
/// what the body has done (a counter in a namespace); only members that look ahead ask it earlier.
/// </summary>
internal sealed class LoopState(List<object> source, Func<object, bool>? accepts)
{
    private readonly Queue<object> _ahead = new();
    private int _next;
    private long _index0 = -1;
    private object? _previous;
    private object? _current;

    public bool MoveNext(out object item)
    {
        bool found = LookAhead();
        item = found ? _ahead.Dequeue() : None.Value;
        _previous = _current;
        _current = item;
        _index0++;
        return found;
    }

    public object Member(string name) => name switch
    {
        "index" => _index0 + 1,
        "index0" => _index0,
        "first" => _index0 == 0,
        "last" => !LookAhead(),
        "length" => Length(),
        "revindex" => Length() - _index0,
        "revindex0" => Length() - _index0 - 1,
        "previtem" => _previous ?? new Undefined("the first item has none before it"),
        "nextitem" => LookAhead() ? _ahead.Peek() : new Undefined("the last item has none after it"),
        "depth" or "depth0" or "cycle" or "changed" => throw new JinjaFailure($"'loop.{name}' is not supported"),
        _ => new Undefined($"a loop has no member '{name}'"),
    };

    private long Length()
    {
        while (Advance())
        {
        }
        return _index0 + 1 + _ahead.Count;
    }

    private bool LookAhead() => _ahead.Count > 0 || Advance();

    // Moves one accepted item from the source to the queue.
    private bool Advance()
    {
        while (_next < source.Count)
        {
            object item = source[_next++];
            if (accepts is not null && !accepts(item))
                continue;
            _ahead.Enqueue(item);
            return true;
        }
        return false;
    }
}

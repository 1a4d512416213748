using Kvasir.Attention.Zones;

namespace Kvasir.Attention.Dropping;

/// <summary>The heads of a sequence under a <see cref="PromptDropping"/> policy, which whoever asks first decides for all.</summary>
internal sealed class PromptHeads(PromptDropping policy)
{
    private readonly Lock _lock = new();
    private readonly List<PromptHead> _heads = [];
    private volatile bool _isDecided;

    /// <summary>Heads of layers that are not dense, layer by layer.</summary>
    public int Count => _heads.Count;

    public PromptHead this[int index] => _heads[index];

    public PromptHead Add(ExactZones zones, HeadPlace place)
    {
        var head = new PromptHead(zones, place, this, policy.Squares);
        _heads.Add(head);
        return head;
    }

    /// <summary>The place behind the last head of the layer that head <paramref name="first"/> is the first of.</summary>
    public int LayerEnd(int first)
    {
        var end = first + 1;
        while (end < _heads.Count && _heads[end].Place.Layer == _heads[first].Place.Layer)
            end++;
        return end;
    }

    /// <summary>Decides what all heads give up, unless it is decided: the prompt is over, and they have observed it. From any worker.</summary>
    /// <param name="firstVisible">The first position in sight of the token behind the prompt.</param>
    public void Decide(int firstVisible)
    {
        if (_isDecided)
            return;
        lock (_lock)
        {
            if (_isDecided)
                return;
            foreach (var head in _heads)
                head.Close(policy, firstVisible);
            policy.Decide(this);
            foreach (var head in _heads)
                head.GiveUp();
            _isDecided = true;
        }
    }

    /// <summary>The prompt is not over after all.</summary>
    public void Reopen() => _isDecided = false;
}

using System.Net;

namespace Kvasir.Server.Security;

/// <summary>Answers wrong keys slowly: ten a second for an address, so that keys cannot be tried at the pace of the network.</summary>
internal sealed class RefusalPace(TimeProvider clock)
{
    private const int MostAddresses = 4096;
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(10);
    private readonly Lock _lock = new();
    private readonly Dictionary<IPAddress, DateTimeOffset> _next = [];

    /// <summary>How long the next refusal of an address has to wait, from now on.</summary>
    public TimeSpan Take(IPAddress address)
    {
        lock (_lock)
        {
            var now = clock.GetUtcNow();
            if (_next.Count >= MostAddresses)
                Forget(now);
            var turn = _next.TryGetValue(address, out var next) && next > now ? next : now;
            var wait = turn - now;
            if (wait > LongestWait)
                return LongestWait;
            _next[address] = turn + Interval;
            return wait;
        }
    }

    // Addresses whose turn has come have nothing to be remembered for; if all wait, the flood is from everywhere and pacing cannot help.
    private void Forget(DateTimeOffset now)
    {
        foreach (var address in _next.Where(entry => entry.Value <= now).Select(static entry => entry.Key).ToArray())
            _next.Remove(address);
        if (_next.Count >= MostAddresses)
            _next.Clear();
    }
}

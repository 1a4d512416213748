using Kvasir.Server.Stores;
using Kvasir.Tiers;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.Hosting;

/// <summary>Where beginnings of prompts are kept that outlast the server, for all of its models. It starts without what cannot be had.</summary>
internal sealed class PrefixStores : IDisposable
{
    private bool _isDisposed;

    public PrefixStores(IOptions<KvasirOptions> options, TimeProvider clock, ILogger<PrefixStores> log)
    {
        var told = new ModelLog(log);
        List<IPrefixStore> stores = [];
        if (options.Value.PrefixDirectory is { } folder)
            stores.Add(DiskPrefixStore.Open(folder, new PrefixStoreOptions { LimitBytes = options.Value.PrefixBytes, Time = clock }));
        if (options.Value.PrefixRedis is { } url)
            stores.Add(Redis(url, clock));
        foreach (var store in stores)
        {
            if (store.Figures.Problem is { } problem)
                told.NotKept(store.Tier, problem);
        }

        All = stores;
    }

    public IReadOnlyList<IPrefixStore> All { get; } = [];

    /// <exception cref="KvasirException">The address is none.</exception>
    public static RedisPrefixStore Redis(string url, TimeProvider clock) => RedisPrefixStore.Open(
        Uri.TryCreate(url, UriKind.Absolute, out var address) ? address : new Uri(url, UriKind.Relative),
        Environment.GetEnvironmentVariable("KVASIR_REDIS_SECRET"), Environment.GetEnvironmentVariable("KVASIR_REDIS_USER"),
        Environment.GetEnvironmentVariable("KVASIR_REDIS_PASSWORD"), clock);

    /// <summary>Behind the engines that use them.</summary>
    public void Dispose()
    {
        if (_isDisposed)
            return;
        _isDisposed = true;
        foreach (var store in All)
            store.Dispose();
    }
}

using Kvasir.Server.Errors;
using Kvasir.Server.Security;
using Kvasir.Server.Telemetry;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.Hosting;

/// <summary>
/// The models that clients may name: those that the server was started with, and those of a folder, which are loaded when somebody asks
/// for them and go when nobody has for a while, or when another needs their memory. One is loaded at a time; who asks for it meanwhile
/// waits for the same load, and who goes away does not end it.
/// </summary>
internal sealed class ServedModels(
    IOptions<KvasirOptions> options, ModelList list, ModelLoader loader, RequestMeter meter, TimeProvider clock, ILogger<ServedModels> log) : IDisposable
{
    private const double LoadPart = 0.9;
    private static readonly TimeSpan FailurePause = TimeSpan.FromSeconds(30);
    private readonly KvasirOptions _options = options.Value;
    private readonly ModelLog _log = new(log);
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _turn = new(1);
    private readonly TaskCompletionSource _start = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<string> _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <inheritdoc cref="KvasirStart.Loaded"/>
    public Task Loaded => _start.Task;

    /// <summary>What share is done of loading and warming what the server was started with, each model for the same part.</summary>
    public double StartProgress => list.Named.Select(static known => known.Served is not null ? 1 : known.Progress).DefaultIfEmpty(1).Average();

    /// <summary>Completes with the name of a model whose engines failed three times within a minute.</summary>
    public Task<string> Failed => _failed.Task;

    /// <summary>All that may be named.</summary>
    public IReadOnlyList<KnownModel> Known => list.All;

    /// <summary>Those that have an engine now.</summary>
    public IReadOnlyList<ServedModel> InMemory => [.. Known.Select(static known => known.Served).OfType<ServedModel>()];

    /// <summary>What was counted of each that was ever in memory.</summary>
    public IReadOnlyList<(string Id, EngineTotals Totals)> Totals
    {
        get
        {
            lock (_lock)
            {
                return [.. Known.Where(static known => known.Served is not null || known.Past.Steps > 0)
                    .Select(static known => (known.Id, known.Served is { } served ? known.Past.With(served.Engine.Figures) : known.Past))];
            }
        }
    }

    /// <summary>The first of them.</summary>
    public ServedModel? Ready => InMemory is [var first, ..] ? first : null;

    /// <summary>Taken by whoever loads a model.</summary>
    internal SemaphoreSlim LoadTurn => _turn;

    /// <summary>Whether the request's key may use a model.</summary>
    public static bool MayUse(HttpContext context, string id) => AccessKey.Of(context)?.MayUse(id) ?? true;

    /// <summary>Loads what the server was started with, one behind the other.</summary>
    public async Task StartAsync()
    {
        try
        {
            foreach (var known in list.Named)
                await LoadAsync(known).ConfigureAwait(false);
            _start.TrySetResult();
        }
        catch (Exception problem)
        {
            _start.TrySetException(problem);
            // Whoever asks is told; nobody may have.
            _ = _start.Task.Exception;
        }
    }

    /// <summary>
    /// The model that a request names, in memory until the request has ended.
    /// </summary>
    /// <exception cref="RequestException">There is none of that name, its key may not use it, it could not be loaded, or memory is short.</exception>
    public Task<ServedModel> FindAsync(HttpContext context, string? name) => ServeAsync(Keep(context, name), context.RequestAborted);

    /// <summary>The model that a request names: it does not go before the request has ended, and comes when <see cref="ServeAsync"/> is called.</summary>
    /// <exception cref="RequestException">There is none of that name, or its key may not use it.</exception>
    public KnownModel Keep(HttpContext context, string? name)
    {
        var known = Named(name);
        if (!MayUse(context, known.Id))
            throw new RequestException(ErrorKind.Forbidden, $"the key '{AccessKey.Of(context)!.Name}' may not use the model {known.Id}", "model");
        RequestRecord.Of(context).Keep(known, Use(known));
        return known;
    }

    /// <summary>How long a model stays behind its last request from now on; one that was named at the start stays whatever is said.</summary>
    /// <param name="time">Null for ever.</param>
    public void Stay(KnownModel known, TimeSpan? time)
    {
        lock (_lock)
            (known.HasOwnStay, known.Stay) = (true, time);
    }

    /// <summary>A model in memory, loaded if it is not there.</summary>
    /// <exception cref="RequestException">It could not be loaded, takes too long, or memory is short.</exception>
    public async Task<ServedModel> ServeAsync(KnownModel known, CancellationToken cancellation)
    {
        try
        {
            return await LoadAsync(known).WaitAsync(TimeSpan.FromSeconds(_options.LoadTimeoutSeconds), clock, cancellation).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw new RequestException(ErrorKind.ModelUnavailable, $"the model {known.Id} is still loading after {_options.LoadTimeoutSeconds} s");
        }
        catch (Exception problem) when (problem is not (OperationCanceledException or RequestException))
        {
            throw NotLoaded(known);
        }
    }

    /// <summary>The model that the host's own code means, in memory until the result is disposed of.</summary>
    /// <param name="name">Null as in a request that names none.</param>
    public async Task<(ServedModel Model, IDisposable Use)> UseAsync(string? name, CancellationToken cancellation)
    {
        var known = Named(name);
        var use = Use(known);
        try
        {
            return (await ServeAsync(known, cancellation).ConfigureAwait(false), use);
        }
        catch
        {
            use.Dispose();
            throw;
        }
    }

    /// <inheritdoc cref="ModelList.Get"/>
    public KnownModel Named(string? name) => list.Get(name);

    /// <inheritdoc cref="ModelList.ReadFolder"/>
    public IReadOnlyList<string> ReadFolder() => list.ReadFolder();

    /// <summary>Loads a model, unless it is there.</summary>
    /// <exception cref="RequestException">It cannot be loaded.</exception>
    public Task<ServedModel> LoadAsync(KnownModel known)
    {
        lock (_lock)
        {
            if (known.Served is { } served)
                return Task.FromResult(served);
            if (known.FailedAt is { } failed && clock.GetElapsedTime(failed) < FailurePause)
                return Task.FromException<ServedModel>(NotLoaded(known));
            if (known.Loading is { } loading)
                return loading;
            known.Progress = 0;
            return known.Loading = Task.Run(() => LoadInTurnAsync(known));
        }
    }

    /// <summary>Takes a model out of memory.</summary>
    /// <returns>False where requests have it, or it is not there.</returns>
    public bool TryUnload(KnownModel known)
    {
        ServedModel? served;
        lock (_lock)
        {
            served = known.Users > 0 ? null : known.TakeOut();
            if (served is null)
                return false;
            known.HasOwnStay = false;
        }

        served.Dispose();
        _log.Unloaded(known.Id);
        return true;
    }

    /// <summary>
    /// Takes those out of memory that nobody has asked for long enough, makes a new engine where one cannot go on, and says so where one fails again and again.
    /// </summary>
    public void Tend()
    {
        foreach (var known in Known)
        {
            if (known.Until is { } until && until <= clock.GetUtcNow())
                TryUnload(known);
            known.Faults.See(known.Past.StepFaults + (known.Served?.Engine.Figures.StepFaults ?? 0));
            if (known.IsFailing && _failed.TrySetResult(known.Id))
                _log.Failing(known.Id);
            if (known.IsBroken)
                Replace(known);
        }
    }

    /// <summary>Behind the last request: frees all that there is.</summary>
    public async Task CloseAsync()
    {
        foreach (var known in Known)
        {
            if (known.Loading is { } loading)
                await loading.ContinueWith(static _ => { }, TaskScheduler.Default).ConfigureAwait(false);
        }

        Dispose();
    }

    public void Dispose()
    {
        foreach (var known in Known)
        {
            var served = known.Served;
            known.Served = null;
            served?.Dispose();
        }
    }

    private async Task<ServedModel> LoadInTurnAsync(KnownModel known)
    {
        await _turn.WaitAsync().ConfigureAwait(false);
        ServedModel? served = null;
        try
        {
            MakeRoom(known);
            var loadPart = _options.Warms ? LoadPart : 1;
            served = loader.Load(known, share => known.Progress = share * loadPart);
            known.IsWarming = _options.Warms;
            if (known.IsWarming)
                await served.WarmAsync(share => known.Progress = loadPart + ((1 - loadPart) * share)).ConfigureAwait(false);

            lock (_lock)
                (known.Served, known.Loading, known.FailedAt) = (served, null, null);
            _log.Loaded(known.Id, served.Model.LoadMs);
            meter.CountLoad("loaded");
            MarkLeft(known);
            return served;
        }
        catch (Exception problem)
        {
            served?.Dispose();
            // Without memory now there may be some soon.
            lock (_lock)
                (known.Loading, known.FailedAt) = (null, problem is RequestException ? null : clock.GetTimestamp());
            if (problem is not RequestException)
                _log.Failed(problem, known.Id);
            meter.CountLoad("failed");
            throw;
        }
        finally
        {
            known.IsWarming = false;
            _turn.Release();
        }
    }

    // Those that nobody has go first, whoever was left longest ago; what was named when the server started stays.
    private void MakeRoom(KnownModel wanted)
    {
        if (!loader.SharesMemory)
            return;
        while (true)
        {
            var loaded = Known.Where(static known => known.Served is not null).ToArray();
            var free = loader.MemoryBytes - loader.KvBytes - loaded.Sum(static known => known.Served!.Model.Weights.ResidentBytes);
            if (loader.BytesOf(wanted) <= free)
                return;
            var idle = loaded.Where(static known => known is { IsNamed: false, Users: 0 }).OrderBy(static known => known.LeftAt).ToArray();
            if (idle.Length == 0)
                throw new RequestException(ErrorKind.ModelUnavailable,
                    $"the model {wanted.Id} needs {loader.BytesOf(wanted)} bytes, and {Math.Max(0, free)} are free beside models in use and the KV memory");
            TryUnload(idle[0]);
        }
    }

    // What its requests have not been told they are told as it goes. Who asks from now on waits for the new one.
    private void Replace(KnownModel known)
    {
        ServedModel? served;
        lock (_lock)
            served = known.IsBroken ? known.TakeOut() : null;
        if (served is null)
            return;
        served.Dispose();
        _log.Broken(known.Id);
        LoadAsync(known).ContinueWith(static load => _ = load.Exception, TaskScheduler.Default);
    }

    private Lease Use(KnownModel known)
    {
        lock (_lock)
            (known.Users, known.Until) = (known.Users + 1, null);
        return new Lease(this, known);
    }

    private void MarkLeft(KnownModel known)
    {
        lock (_lock)
        {
            known.LeftAt = clock.GetTimestamp();
            var stay = known.HasOwnStay ? known.Stay : TimeSpan.FromSeconds(_options.ModelKeepAliveSeconds);
            known.Until = known is { Users: 0, IsNamed: false, Served: not null } ? clock.GetUtcNow() + stay : null;
        }
    }

    private void Leave(KnownModel known)
    {
        lock (_lock)
            known.Users--;
        MarkLeft(known);
        // Not on the thread that has answered: an engine ends with its step.
        if (known is { Users: 0, HasOwnStay: true, Stay.Ticks: 0, IsNamed: false })
            _ = Task.Run(() => TryUnload(known));
    }

    private static RequestException NotLoaded(KnownModel known) =>
        new(ErrorKind.ModelUnavailable, $"the model {known.Id} could not be loaded; the server's log says why");

    private sealed class Lease(ServedModels models, KnownModel known) : IDisposable
    {
        private int _left;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _left, 1) == 0)
                models.Leave(known);
        }
    }
}

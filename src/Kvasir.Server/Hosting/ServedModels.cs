using Kvasir.Server.Errors;
using Kvasir.Server.Reading;
using Kvasir.Server.Security;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.Hosting;

/// <summary>The models that clients may name. A request that comes while one loads waits for it.</summary>
internal sealed class ServedModels(IOptions<KvasirOptions> options)
{
    private readonly TaskCompletionSource<ServedModel> _loading = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes when the model is there; fails as its loading does.</summary>
    public Task<ServedModel> Loaded => _loading.Task;

    /// <summary>The model, once it is there.</summary>
    public ServedModel? Ready => _loading.Task.IsCompletedSuccessfully ? _loading.Task.Result : null;

    /// <summary>Those that have an engine now.</summary>
    public IReadOnlyList<ServedModel> InMemory => Ready is { } model ? [model] : [];

    /// <summary>The model, once it is there, if the request's key may use it.</summary>
    public ServedModel? ReadyFor(HttpContext context) => Ready is { } model && MayUse(context, model) ? model : null;

    /// <summary>Whether the request's key may use a model.</summary>
    public static bool MayUse(HttpContext context, ServedModel model) => AccessKey.Of(context)?.MayUse(model.Id) ?? true;

    /// <exception cref="RequestException">The request's key may not use the model.</exception>
    public static void Require(HttpContext context, ServedModel model)
    {
        if (!MayUse(context, model))
            throw new RequestException(ErrorKind.Forbidden, $"the key '{AccessKey.Of(context)!.Name}' may not use the model {model.Id}", "model");
    }

    public void SetLoaded(ServedModel model) => _loading.TrySetResult(model);

    public void SetFailed(Exception problem)
    {
        _loading.TrySetException(problem);
        // Whoever asks is told; nobody may have.
        _ = _loading.Task.Exception;
    }

    /// <summary>The model that a request names; one that names none means the only one.</summary>
    /// <exception cref="RequestException">There is none of that name, or it could not be loaded.</exception>
    public async Task<ServedModel> FindAsync(string? name, CancellationToken cancellation)
    {
        var model = await WaitAsync(cancellation).ConfigureAwait(false);
        if (string.IsNullOrEmpty(name) || model.IsNamed(name) || options.Value.AnyModel)
            return model;
        throw new RequestException(ErrorKind.ModelNotFound, $"there is no model '{RequestValue.Short(name)}' here; there is {model.Id}", "model");
    }

    private async Task<ServedModel> WaitAsync(CancellationToken cancellation)
    {
        try
        {
            return await Loaded.WaitAsync(cancellation).ConfigureAwait(false);
        }
        catch (Exception problem) when (problem is not OperationCanceledException)
        {
            throw new RequestException(ErrorKind.ModelUnavailable, "the model could not be loaded; the server's log says why");
        }
    }
}

namespace Kvasir.Server.Test.Support;

/// <summary>
/// A server as <see cref="RunningServer"/> starts one, for all tests of a class whose claims hold whatever others ask: of errors above all. It may be asked as
/// box.example too.
/// </summary>
public sealed class PlainServer : IAsyncLifetime
{
    internal RunningServer Server { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Server = await RunningServer.StartAsync(static options => options.AllowedHosts.Add("box.example"));

    public ValueTask DisposeAsync() => Server.DisposeAsync();
}

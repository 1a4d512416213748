using Microsoft.Extensions.Logging;

namespace Kvasir.Server.Hosting;

/// <summary>What the log is told of models.</summary>
internal sealed partial class ModelLog(ILogger log)
{
    [LoggerMessage(Level = LogLevel.Information, Message = "Serving {Model}, loaded in {Ms:F0} ms")]
    public partial void Loaded(string model, double ms);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Model} has left the memory")]
    public partial void Unloaded(string model);

    [LoggerMessage(Level = LogLevel.Warning, Message = "A model is not served: {Problem}")]
    public partial void NotServed(string problem);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Prompts are not kept in {Tier}: {Problem}")]
    public partial void NotKept(string tier, string problem);

    [LoggerMessage(Level = LogLevel.Error, Message = "The engine of {Model} cannot go on; another one is made")]
    public partial void Broken(string model);

    [LoggerMessage(Level = LogLevel.Critical, Message = "The engine of {Model} failed three times within a minute")]
    public partial void Failing(string model);

    [LoggerMessage(Level = LogLevel.Error, Message = "The model {Model} could not be loaded")]
    public partial void Failed(Exception problem, string model);
}
